package smtpserver

import (
	"sync"

	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// teller tells the Job Controller of messages, beside the sessions: a client's
// 250 waits for the disk alone. What does not fit, or finds no controller, is
// found by the controller's next look at the disk.
type teller struct {
	client *jobs.Client

	mu     sync.Mutex
	news   chan news
	closed bool
}

// news is a message, or recipients that were refused.
type news struct {
	entry    queue.Entry
	envelope *queue.Envelope
	blocks   int
	rejected string // channel
}

const maxNews = 1000

func newTeller(s *site.Site) *teller {
	return &teller{client: jobs.NewClient(s), news: make(chan news, maxNews)}
}

func (t *teller) tell(n news) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	select {
	case t.news <- n:
	default:
	}
}

// run tells until close, and then what is left.
func (t *teller) run() {
	for n := range t.news {
		// No controller: the queue grows, which is for others to see.
		if n.rejected != "" {
			_ = t.client.Rejected(n.rejected, 1)
		} else {
			_ = t.client.Tell(n.entry, n.envelope, n.blocks)
		}
	}
	_ = t.client.Close()
}

func (t *teller) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		close(t.news)
	}
}
