package returnjob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/notice"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// Main is the program return. Its own path tells the site.
func Main(ctx context.Context, _ []string, _ io.Reader, _, stderr io.Writer) int {
	return site.Main(ctx, "return", stderr, func(ctx context.Context, s *site.Site) (int, error) { return 0, Run(ctx, s, time.Now()) })
}

// Run does the night's work as of a time. A second one beside it finds it at
// work and does nothing. What one message costs in errors keeps no other from
// its turn; all are given back.
func Run(ctx context.Context, s *site.Site, now time.Time) error {
	lock, err := os.OpenFile(filepath.Join(s.RunDir(), "return.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open lock: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil
		}
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	log, client := maillog.Open(s), jobs.NewClient(s)
	defer log.Close()
	defer client.Close()
	j := &job{site: s, queue: queue.Open(s), notices: notice.New(s, log, client), now: now}
	errs := []error{log.Rotate(now)}
	channels, err := j.queue.Channels()
	errs = append(errs, err)
	for _, name := range channels {
		conf, ok := s.Channel(name)
		if !ok || len(conf.Notices) == 0 {
			continue
		}
		err := j.queue.Walk(name, func(e queue.Entry) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !e.Held {
				errs = append(errs, j.look(e, conf.Notices))
			}
			return nil
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

type job struct {
	site    *site.Site
	queue   *queue.Queue
	notices *notice.Sender
	now     time.Time
	serial  int
}

// look warns of a message or returns it, as its age asks. One that is being
// delivered, or has gone, is left alone.
func (j *job) look(e queue.Entry, notices []time.Duration) error {
	if j.now.Sub(e.Modified) < notices[0] && e.Attempts == 0 {
		return nil // a file is never younger than its name's time, unless it was rewritten
	}
	m, err := j.queue.Lock(e)
	if err != nil {
		return nil
	}
	defer m.Close()
	age := j.now.Sub(m.Arrived)
	passed := 0
	for _, n := range notices {
		if age >= n {
			passed++
		}
	}
	j.serial++
	process := maillog.Process(os.Getpid(), 1, j.serial)
	switch {
	case passed == len(notices):
		return j.notices.Return(process, m, "Delivery time expired; message could not be delivered in time")
	case passed > 0:
		return j.notices.Warn(process, m, passed, age)
	}
	return nil
}
