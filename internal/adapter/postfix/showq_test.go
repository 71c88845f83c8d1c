package postfix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter/adaptertest"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func answer(parts ...string) string { return strings.Join(parts, "\x00") + "\x00" }

const greeting = "protocol\x00mail_queue_list_protocol\x00\x00"

func showqSample() string {
	return greeting +
		answer("queue_name", "deferred", "queue_id", "4jYBf75Bwtz2n", "time", "1795452367", "size", "344", "forced_expire", "0",
			"sender", "a@example.com", "recipient", "b@example.net", "reason", "refused", "recipient", "c@example.net", "") +
		answer("queue_name", "hold", "queue_id", "3C1D52A0B7", "time", "1795452368", "size", "1", "later", "x",
			"sender", "MAILER-DAEMON", "recipient", "c@example.net", "reason", "", "") + "\x00"
}

func collect(r io.Reader) (list []mta.QueuedMessage, err error) {
	for m, err := range readShowq(r) {
		if err != nil {
			return list, err
		}
		list = append(list, m)
	}
	return list, nil
}

func TestReadShowq(t *testing.T) {
	whole, err := collect(strings.NewReader(showqSample()))
	if err != nil || len(whole) != 2 {
		t.Fatal(whole, err)
	}
	if whole[1].Sender != "" || whole[1].Queue != "hold" || whole[0].Recipients[0].Reason != "refused" || whole[0].Recipients[1].Reason != "" ||
		whole[0].Size != 344 || whole[0].Arrived.Unix() != 1795452367 {
		t.Errorf("messages %+v", whole)
	}
	bytewise, err := collect(iotest.OneByteReader(strings.NewReader(showqSample())))
	if diff := cmp.Diff(bytewise, whole); diff != "" || err != nil {
		t.Errorf("byte by byte: %v (-got +want):\n%s", err, diff)
	}
	// Versions before 3.4 send no greeting.
	old, err := collect(strings.NewReader(strings.TrimPrefix(showqSample(), greeting)))
	if diff := cmp.Diff(old, whole); diff != "" || err != nil {
		t.Errorf("without greeting: %v (-got +want):\n%s", err, diff)
	}
	empty, err := collect(strings.NewReader(greeting + "\x00"))
	if len(empty) != 0 || err != nil {
		t.Errorf("empty queue: %v, %v", empty, err)
	}
	text, err := collect(strings.NewReader("Mail queue is empty\n"))
	if len(text) != 0 || err != nil {
		t.Errorf("empty queue as text: %v, %v", text, err)
	}
}

// An answer that ends at any byte but the last is an error: a part is never
// taken for the whole.
func TestReadShowqCut(t *testing.T) {
	s := showqSample()
	for n := range len(s) {
		if list, err := collect(strings.NewReader(s[:n])); err == nil {
			t.Errorf("cut at %d of %d: %d messages and no error", n, len(s), len(list))
		}
	}
}

func TestReadShowqGarbage(t *testing.T) {
	msg := func(parts ...string) string { return greeting + answer(parts...) + "\x00\x00" }
	tests := []struct{ name, text string }{
		{"nothing", ""},
		{"other program", "220 mx.example.org ESMTP\r\n"},
		{"binary", "\xff\xfe\x00\x01\x02\x00\x00"},
		{"one long attribute", strings.Repeat("x", maxAttribute+1)},
		{"long value", msg("queue_name", strings.Repeat("x", maxAttribute+1))},
		{"other protocol", answer("protocol", "mail_sendmail_protocol", "") + "\x00"},
		{"bad time", msg("queue_name", "hold", "queue_id", "3C1D52A0B7", "time", "soon")},
		{"far time", msg("queue_name", "hold", "queue_id", "3C1D52A0B7", "time", "9999999999999999")},
		{"bad size", msg("queue_name", "hold", "queue_id", "3C1D52A0B7", "time", "1", "size", "-1")},
		{"no time", msg("queue_name", "hold", "queue_id", "3C1D52A0B7", "size", "1")},
		{"bad queue id", msg("queue_name", "hold", "queue_id", "../../etc", "time", "1")},
		{"reason without recipient", msg("queue_name", "hold", "reason", "x")},
		{"attribute without value", greeting + "queue_name\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if list, err := collect(strings.NewReader(tt.text)); err == nil || len(list) > 0 {
				t.Errorf("%d messages, %v; want an error", len(list), err)
			}
		})
	}
}

// endless sends recipients without end.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	e.n++
	if e.n == 1 {
		return copy(p, greeting+"queue_name\x00hold\x00"), nil
	}
	return copy(p, strings.Repeat("recipient\x00b@example.net\x00", 40)), nil
}

func TestReadShowqEndless(t *testing.T) {
	if _, err := collect(&endless{}); !errors.Is(err, errGarbage) {
		t.Errorf("error %v, want %v", err, errGarbage)
	}
}

// silent is a showq that takes the connection and never answers.
type silent struct {
	*adaptertest.Host
}

func (s silent) Dial(ctx context.Context, _, _ string) (io.ReadWriteCloser, error) {
	return hanging{ctx}, nil
}

type hanging struct{ ctx context.Context }

func (h hanging) Read([]byte) (int, error)    { <-h.ctx.Done(); return 0, errors.New("i/o timeout") }
func (h hanging) Write(p []byte) (int, error) { return len(p), nil }
func (h hanging) Close() error                { return nil }

func TestListSilentShowq(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the deadline, come
	n := 0
	for _, err := range list(ctx, silent{Host: &adaptertest.Host{}}, mta.Instance{Name: "postfix", QueueDir: "/q"}) {
		n++
		if !errors.Is(err, context.Canceled) || !strings.Contains(fmt.Sprint(err), "in time") {
			t.Errorf("error %v, want one that tells of the time", err)
		}
	}
	if n != 1 {
		t.Errorf("%d results, want one error", n)
	}
}

func TestListNoQueueDir(t *testing.T) {
	for m, err := range list(t.Context(), &adaptertest.Host{}, mta.Instance{Name: "x"}) {
		if err == nil {
			t.Errorf("message %v without a queue directory", m)
		}
	}
	for _, err := range list(t.Context(), &adaptertest.Host{}, mta.Instance{Name: "x", QueueDir: "/q"}) {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "Postfix is down") {
			t.Errorf("no socket, no master: %v", err)
		}
	}
}

func FuzzShowq(f *testing.F) {
	f.Add([]byte(showqSample()))
	f.Add([]byte(greeting + "\x00"))
	f.Add([]byte("Mail queue is empty\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := collect(strings.NewReader(string(b)))
		for _, m := range list {
			if m.QueueID == "" || m.Queue == "" || m.Arrived.IsZero() || m.Size < -1 {
				t.Errorf("message %+v", m)
			}
		}
		if err == nil && len(list) == 0 && len(b) == 0 {
			t.Error("no answer was taken for an empty queue")
		}
	})
}

func FuzzListing(f *testing.F) {
	f.Add("----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n4jYBf76JyJz2y!         367 Mon Nov 23 16:46:07 MAILER-DAEMON\n" +
		"      (x)\n                  c@example.net\n\n-- 1 Kbytes in 1 Request.\n")
	f.Add("Mail queue is empty\n")
	f.Add(`{"queue_name": "hold", "queue_id": "4jYBf76JyJz2y", "arrival_time": 1795452367, "message_size": 367, "sender": "", "recipients": [{"address": "c@example.net"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		var failed error
		for m, err := range readList(strings.NewReader(text)) {
			if failed != nil {
				t.Fatal("went on after an error")
			}
			if err != nil {
				failed = err
				continue
			}
			n++
			if !isQueueID(m.QueueID) || m.Queue == "" || m.Arrived.IsZero() || m.Size < -1 {
				t.Errorf("message %+v", m)
			}
		}
		if failed == nil && n == 0 && !strings.Contains(text, "Mail queue is empty") &&
			!strings.Contains(text, "Request") {
			t.Errorf("no listing was taken for an empty queue: %q", text)
		}
	})
}
