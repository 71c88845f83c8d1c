package trace

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// kinds traces a text and gives the kinds of the steps.
func kinds(t *testing.T, files []string, text string) ([]string, view.TraceSummary) {
	t.Helper()
	var got []string
	sum, err := tracer(files).Run(context.Background(), view.TraceQuery{Text: text}, func(s view.TraceStep) bool {
		got = append(got, s.Event.Kind.String())
		return true
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return got, sum
}

// The line of cleanup may stand before that of smtpd: they are one life,
// unless too long lies between.
func TestCleanupBeforeOrigin(t *testing.T) {
	lines := strings.SplitAfter(strings.TrimSuffix(life("A1B2C3D4E5", "one@example.org", "a@example.org", "bob@example.net"), "\n"), "\n")
	lines[4] += "\n"
	lines[0], lines[1] = lines[1], lines[0]
	swapped := strings.Join(lines, "")
	whole := []string{"message", "origin", "queued", "delivery", "removed"}
	// The end of the first bearer of the id is not in the log.
	late := lines[0] + strings.ReplaceAll(strings.Join(lines[1:], ""), "T12:00:00", "T12:00:11")
	for _, tt := range []struct {
		name, log, text string
		want            []string
	}{
		{"by the message-id", swapped, "one@example.org", whole},
		{"by the recipient", swapped, "bob@example.net", whole},
		{"too long between, by the recipient", late, "bob@example.net", whole[1:]},
		{"too long between, by the message-id", late, "one@example.org", whole[:1]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, sum := kinds(t, logs(t, "", tt.log), tt.text)
			if diff := cmp.Diff(tt.want, got); diff != "" || sum.Messages != 1 {
				t.Errorf("%d messages; steps (-want +got):\n%s", sum.Messages, diff)
			}
		})
	}
}

// The strings of an event that waits are its own, whatever fields an event
// will have.
func TestCloneStrings(t *testing.T) {
	text := strings.Repeat("x", 10)
	var e mta.Event
	n := 0
	var walk func(reflect.Value, func(reflect.Value))
	walk = func(v reflect.Value, f func(reflect.Value)) {
		switch {
		case v.Kind() == reflect.String:
			f(v)
		case v.Kind() == reflect.Struct && v.CanSet():
			for i := range v.NumField() {
				if v.Field(i).CanSet() {
					walk(v.Field(i), f)
				}
			}
		}
	}
	walk(reflect.ValueOf(&e).Elem(), func(v reflect.Value) { v.SetString(text); n++ })
	cloneStrings(&e)
	walk(reflect.ValueOf(&e).Elem(), func(v reflect.Value) {
		if v.String() != text {
			t.Errorf("changed to %q", v.String())
		} else if v.UnsafePointer() == reflect.ValueOf(text).UnsafePointer() {
			t.Error("a string shares memory")
		}
	})
	if n < 20 {
		t.Errorf("%d strings were tried", n)
	}
}

// Messages that wait keep their steps, not the log around them: here each of
// 60 MiB of log has one line of a message that stays unfinished.
func TestWaitingHoldsNoLog(t *testing.T) {
	var b strings.Builder
	for i := range 60 {
		id := fmt.Sprintf("A%09X", i)
		b.WriteString(head + "smtpd[1]: " + id + ": client=client.example.org[192.0.2.1]\n")
		b.WriteString(strings.Repeat("x", 1000) + "\n")
		for range 1024 {
			b.WriteString(strings.Repeat("x", 1023) + "\n")
		}
	}
	for i := range 60 {
		b.WriteString(head + fmt.Sprintf("smtp[4]: A%09X: to=<bob@example.net>, relay=none, delay=0.3, delays=0.1/0/0.1/0.1, dsn=4.4.1, status=deferred (no)\n", i))
	}
	files := logs(t, "", b.String())
	b.Reset()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	steps := 0
	_, err := tracer(files).Run(context.Background(), view.TraceQuery{Text: "bob@example.net"}, func(view.TraceStep) bool {
		if steps++; steps == 1 {
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
		return true
	}, nil)
	if err != nil || steps != 120 {
		t.Fatalf("%d steps, %v; want 120", steps, err)
	}
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 20<<20 {
		t.Errorf("%d MiB are held for 60 lines that wait", held>>20)
	}
}

// The progress comes to its total and never beyond, whichever way it goes.
func TestProgress(t *testing.T) {
	files := logs(t, life("B1B2C3D4E5", "x@example.org", "x@example.org", "y@example.net"), life("A1B2C3D4E5", "one@example.org", "a@example.org", "b@example.net"))
	for _, text := range []string{"A1B2C3D4E5", "F1F2F3F4F5", "one@example.org", "nobody@example.com"} {
		var last view.Progress
		_, err := tracer(files).Run(context.Background(), view.TraceQuery{Text: text}, func(view.TraceStep) bool { return true }, func(p view.Progress) {
			if p.Done < last.Done || p.Done > p.Total {
				t.Errorf("%s: %+v after %+v", text, p, last)
			}
			last = p
		})
		if err != nil || last.Done == 0 || last.Done != last.Total {
			t.Errorf("%s: ended with %+v, %v", text, last, err)
		}
	}
}
