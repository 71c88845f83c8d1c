package app

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// hung is an adapter whose mail server never answers.
func hung() *adapter.Adapter {
	return &adapter.Adapter{Name: "postfix",
		Count: func(ctx context.Context, _ adapter.Host, _ mta.Instance) (mta.Queue, error) {
			<-ctx.Done()
			return mta.Queue{}, ctx.Err()
		},
		List: func(ctx context.Context, _ adapter.Host, _ mta.Instance) iter.Seq2[mta.QueuedMessage, error] {
			return func(yield func(mta.QueuedMessage, error) bool) {
				<-ctx.Done()
				yield(mta.QueuedMessage{}, ctx.Err())
			}
		}}
}

// An asker who leaves leaves no failure behind; a mail server that does not
// answer in time does.
func TestReadQueueOfHungServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := mta.Instance{MTA: "postfix", Name: "postfix"}
		s := sourceOf(t, in)
		failed := func() string { return s.belt.Queue(view.QueueQuery{}, time.Now()).Detail[0].ListFailed }
		before := failed()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if readQueue(ctx, s.belt, s.machine, hung(), in) || failed() != before {
			t.Errorf("after the asker left, the belt tells %q", failed())
		}
		begin := time.Now()
		if !readQueue(t.Context(), s.belt, s.machine, hung(), in) || !strings.Contains(failed(), "within 30s") {
			t.Errorf("of a server that does not answer, the belt tells %q", failed())
		}
		if took := time.Since(begin); took != listTime {
			t.Errorf("it took %s", took)
		}
	})
}

func TestFreshLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f freshLists
		ran := 0
		list := func() bool { ran++; time.Sleep(3 * time.Second); return true }
		ask := func(ctx context.Context) { f.do(ctx, "postfix", time.Now, list) }
		for range 5 {
			go ask(t.Context())
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		ask(ctx) // leaves at once
		time.Sleep(9 * time.Second)
		ask(t.Context())
		if ran != 1 {
			t.Errorf("%d listings for 6 askers within 10 s", ran)
		}
		f.do(t.Context(), "postfix-out", time.Now, list)
		time.Sleep(2 * time.Second)
		ask(t.Context())
		if ran != 3 {
			t.Errorf("%d listings, want one more of another instance and one more after 10 s", ran)
		}
		f.do(t.Context(), "c", time.Now, func() bool { ran++; return false })
		f.do(t.Context(), "c", time.Now, list)
		if ran != 5 {
			t.Errorf("%d listings: one that came to no end must not count", ran)
		}
	})
}

// A log that two instances share is searched once, and what is not searched
// is named.
func TestTraceSources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	if err := os.WriteFile(path, []byte(line("qmgr[1]: A1B2C3D4E5: removed")), 0o600); err != nil {
		t.Fatal(err)
	}
	logs := []mta.LogSource{{Kind: mta.LogFile, Path: path}, {Kind: mta.LogJournal}}
	s := sourceOf(t, mta.Instance{MTA: "postfix", Name: "postfix", Logs: logs}, mta.Instance{MTA: "postfix", Name: "postfix-out", Logs: logs}, mta.Instance{MTA: "postfix", Name: "postfix-in"})
	sum, err := s.Trace(t.Context(), view.TraceQuery{Text: "A1B2C3D4E5"}, func(view.TraceStep) bool { return true }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{path}, sum.Files); diff != "" || sum.Steps != 1 {
		t.Errorf("%d steps; files (-want +got):\n%s", sum.Steps, diff)
	}
	if len(sum.Unread) != 2 || !strings.Contains(sum.Unread[0], "journal") || !strings.Contains(sum.Unread[1], "postfix-in") {
		t.Errorf("unread %q", sum.Unread)
	}
}

// The doctor hangs neither at a named pipe nor at a mail server that does not
// answer.
func TestDoctorDoesNotHang(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		in := mta.Instance{MTA: "postfix", Name: "postfix"}
		d := doctor{s: sourceOf(t, in)}
		d.log(t.Context(), in, mta.LogSource{Kind: mta.LogFile, Path: path})
		d.listing(t.Context(), hung(), in)
		var got []string
		for _, c := range d.out.Checks {
			if !c.OK {
				got = append(got, c.Text)
			}
		}
		if len(got) != 2 || !strings.Contains(got[0], "named pipe") || !strings.Contains(got[1], "no answer within 10s") {
			t.Errorf("checks that failed: %q", got)
		}
	})
}
