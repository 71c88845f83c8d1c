package feed_test

import (
	"errors"
	"testing"

	"github.com/mtawatch/mtawatch/internal/feed"
	"github.com/mtawatch/mtawatch/internal/view"
)

func change(kind string) view.Event { return view.Event{Change: &view.Change{Kind: kind}} }

func TestFeed(t *testing.T) {
	f := feed.New(feed.Config{Listeners: 2, Waiting: 3})
	f.Publish(change("nobody hears it"))
	a, err := f.Join()
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Join()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Join(); !errors.Is(err, feed.ErrFull) {
		t.Errorf("the third: %v", err)
	}
	for i := range 5 { // b does not keep up
		f.Publish(change("news"))
		if e, ok := <-a.Events(); !ok || e.Change.Kind != "news" {
			t.Errorf("event %d at a: %v, %v", i, e, ok)
		}
	}
	n := 0
	for range b.Events() {
		n++
	}
	if n != 3 || f.Listeners() != 1 || f.Cut() != 1 {
		t.Errorf("b got %d and was cut %d times; %d listen", n, f.Cut(), f.Listeners())
	}
	b.Leave()
	a.Leave()
	a.Leave()
	if f.Listeners() != 0 {
		t.Errorf("%d listen", f.Listeners())
	}
	c, err := f.Join()
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, ok := <-c.Events(); ok {
		t.Error("c hears on")
	}
	if _, err := f.Join(); !errors.Is(err, feed.ErrFull) {
		t.Errorf("after the end: %v", err)
	}
}
