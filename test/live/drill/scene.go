//go:build linux

package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	board "github.com/mtawatch/mtawatch/internal/lab/drill"
	"github.com/mtawatch/mtawatch/test/live/world"
)

// Scene is the world of one drill: a Postfix with ordinary mail, remote
// hosts, and an mtawatch that knows two weeks of it.
type Scene struct {
	board.Mending
	board.Trouble

	Box     *world.Box
	Remote  *world.Remote
	Postfix *world.Postfix
	Syslog  *world.Syslog // nil unless the drill asks for it
	Watcher *world.Watcher

	ctx    context.Context // of all that goes on beside
	cancel context.CancelFunc
	beside sync.WaitGroup
	log    board.Log
}

// Beside runs f until the drill is over.
func (s *Scene) Beside(f func(ctx context.Context)) { s.During(s.ctx, f) }

// logged makes an Evidence of a text in the log since the beginning.
func logged(text string) func(*Scene) (bool, error) {
	return func(s *Scene) (bool, error) { return s.log.Has(text) }
}

// ownNet shows the mail server's network. /proc/net is that of the program's
// first thread, which may have stayed on the outside.
const ownNet = "/proc/thread-self/net/"

// tcpState makes an Evidence of that many sockets of port 25 in a state, as
// board.Sockets has it.
func tcpState(state string, atLeast int) func(*Scene) (bool, error) {
	return func(*Scene) (bool, error) {
		n, err := board.Sockets(ownNet+"tcp", 25, state)
		return n >= atLeast, err
	}
}

// overflows makes an Evidence of the kernel's count of overflown accept queues.
func overflows() func(*Scene) (bool, error) {
	return func(*Scene) (bool, error) {
		b, err := os.ReadFile(ownNet + "netstat")
		if err != nil {
			return false, err
		}
		var names []string
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if i := slices.Index(names, "ListenOverflows"); i >= 0 && i < len(f) && f[0] == names[0] {
				n, err := strconv.Atoi(f[i])
				return n > 0, err
			}
			names = f
		}
		return false, errors.New("read /proc/net/netstat: no ListenOverflows")
	}
}

// host is one remote host of the drills' world and its share of the mail.
type host struct {
	name  string
	share float64
}

// The hosts that ordinary mail goes to.
var ordinary = [...]host{{"big", 0.40}, {"north", 0.22}, {"south", 0.18}, {"east", 0.12}, {"west", 0.08}}

// hosts are the mail hosts of the drills' world.
func hosts() []world.Behaviour {
	list := []world.Behaviour{}
	for i, h := range ordinary {
		list = append(list, world.Behaviour{Name: h.name, Address: fmt.Sprintf("10.77.1.%d", 30+i)})
	}
	return append(list,
		world.Behaviour{Name: "fresh", Address: "10.77.1.40", Manner: world.Manner{Rcpt: "450 4.2.0 Greylisted, please try again in a minute", Grey: 50 * time.Second}},
		world.Behaviour{Name: "loop-a", Address: "10.77.1.41", Manner: world.Manner{Forward: "loop-b.example"}},
		world.Behaviour{Name: "loop-b", Address: "10.77.1.42", Manner: world.Manner{Forward: "loop-a.example"}},
		world.Behaviour{Name: "strict-a", Address: "10.77.1.43", Manner: world.Manner{End: "554 5.7.1 Message rejected due to local policy: spam"}},
		world.Behaviour{Name: "strict-b", Address: "10.77.1.44", Manner: world.Manner{End: "550 5.7.1 Our system has detected that this message is likely unsolicited mail"}},
		world.Behaviour{Name: "strict-c", Address: "10.77.1.45", Manner: world.Manner{Rcpt: "550 5.1.1 User unknown"}})
}

// rate is the ordinary mail of the world, messages a second.
const rate = 1.0

// badShare is the share of ordinary mail to users that no host knows.
const badShare = 0.02

// letter makes one ordinary message.
func letter(r *rand.Rand) world.Letter {
	pick := func() string {
		x := r.Float64()
		for _, h := range ordinary {
			if x -= h.share; x < 0 {
				return h.name
			}
		}
		return ordinary[0].name
	}
	to := fmt.Sprintf("user%d@%s.example", r.IntN(500), pick())
	if r.Float64() < badShare {
		to = "nobody" + to
	}
	return world.Letter{From: fmt.Sprintf("user%d@%s.example", r.IntN(40), pick()), To: []string{to}, Size: 500 + r.IntN(8000)}
}

// traffic sends ordinary mail until the context ends: each message by a
// connection of its own, from one of thirty addresses, at moments that know
// nothing of each other.
func traffic(ctx context.Context, b *world.Box, rate float64) {
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	var wg sync.WaitGroup
	defer wg.Wait()
	for slots := make(chan struct{}, 50); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(r.ExpFloat64() / rate * float64(time.Second))):
		}
		select { // no more clients than that wait for a server that hangs
		case slots <- struct{}{}:
		default:
			continue
		}
		from, l := fmt.Sprintf("10.77.1.%d", 100+r.IntN(30)), letter(r)
		wg.Go(func() {
			defer func() { <-slots }()
			deliver(b, from, l)
		})
	}
}

// deliver sends one message, or fails to.
func deliver(b *world.Box, from string, l world.Letter) {
	c, err := b.Dial(from, world.MTAAddress+":25")
	if err != nil {
		return
	}
	_ = c.Send(l)
	c.Quit()
}
