package postfix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/adapter/adaptertest"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func TestLongIDSecond(t *testing.T) {
	tests := []struct {
		name, id string
		want     int64
		ok       bool
	}{
		{"recorded", "4jYBf75Bwtz2n", 1795452367, true},
		{"z in the time", "4jY6v56zFkz1SCLB", 1795442225, true},
		{"zero", "0000000000z0", 0, true},
		{"short id", "3C1D52A0B7", 0, false},
		{"long short id", "3C1D52A0B7CDE", 0, false},
		{"vowel", "4jYAf75Bwtz2n", 0, false},
		{"z after the inode's start", "4jYBf75Bwtz2z", 0, false},
		{"microsecond too large", "4jYBf7zzzzz2n", 0, false},
		{"no inode", "4jYBf75Bwtz", 0, false},
		{"punctuation", "4jYBf7.Bwtz2n", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := longIDSecond(tt.id)
			if ok != tt.ok || ok && got != tt.want {
				t.Errorf("longIDSecond(%q) = %d, %v; want %d, %v", tt.id, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestListTime(t *testing.T) {
	at := func(s string) time.Time {
		u, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	const id = "4jYBf75Bwtz2n" // 2026-11-23T16:46:07Z
	tests := []struct {
		name, stamp, id string
		ref, want       time.Time
	}{
		{"long id", "Mon Nov 23 16:46:06", id, time.Time{}, at("2026-11-23T16:46:06Z")},
		{"long id, zone east", "Tue Nov 24 01:46:06", id, time.Time{}, at("2026-11-23T16:46:06Z")},
		{"long id, zone with half an hour", "Mon Nov 23 22:16:07", id, time.Time{}, at("2026-11-23T16:46:07Z")},
		{"requeued", "Sat Nov 21 10:00:00", id, time.Time{}, at("2026-11-21T10:00:00Z")},
		{"requeued last year", "Tue Dec 30 10:00:00", id, time.Time{}, at("2025-12-30T10:00:00Z")},
		{"file time", "Mon Nov 23 12:00:00", "3C1D52A0B7", at("2020-11-25T00:00:00Z"), at("2020-11-23T12:00:00Z")},
		{"file time, much later", "Mon Nov 23 12:00:00", "3C1D52A0B7", at("2030-01-01T00:00:00Z"), at("2026-11-23T12:00:00Z")},
		{"nothing but the weekday", "Mon Nov 23 12:00:00", "3C1D52A0B7", time.Time{}, at("2026-11-23T12:00:00Z")},
		{"nearest year", "Wed Dec 31 12:00:00", "3C1D52A0B7", time.Time{}, at("2025-12-31T12:00:00Z")},
		{"leap day", "Thu Feb 29 00:00:00", "3C1D52A0B7", time.Time{}, at("2024-02-29T00:00:00Z")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := strings.Fields(tt.stamp)
			got, err := listTime(f[0], f[1], f[2], f[3], tt.id, tt.ref)
			if err != nil || !got.Equal(tt.want) {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
	for _, bad := range []string{"Mon Foo 23 12:00:00", "Xyz Nov 23 12:00:00", "Mon Nov 31 12:00:00", "Mon Nov 23 25:00:00"} {
		f := strings.Fields(bad)
		if got, err := listTime(f[0], f[1], f[2], f[3], "3C1D52A0B7", time.Time{}); err == nil {
			t.Errorf("%q gave %v, want an error", bad, got)
		}
	}
}

// vanishing is a host whose directory tree changes while it is read.
type vanishing struct {
	*adaptertest.Host
	gone map[string]error
}

func (v vanishing) Open(name string) (fs.File, error) {
	if err := v.gone[name]; err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return v.Host.Open(name)
}

func spoolHost(t *testing.T) *adaptertest.Host {
	t.Helper()
	var b strings.Builder
	for _, q := range queueNames() {
		fmt.Fprintf(&b, "-- dir/q/%s --\n", q)
	}
	for i := range 3 {
		fmt.Fprintf(&b, "-- file/q/deferred/%d/4jYBf75Bwtz2%d --\n", i, i)
	}
	h, err := adaptertest.NewHost(txtar.Parse([]byte(b.String())))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func deferred(q mta.Queue) *mta.QueueCount {
	for i := range q.Queues {
		if q.Queues[i].Name == "deferred" {
			return &q.Queues[i]
		}
	}
	return nil
}

func TestCountWhileChanging(t *testing.T) {
	inst := mta.Instance{Name: "postfix", QueueDir: "/q"}
	tests := []struct {
		name string
		gone map[string]error
		want int64 // -1: absent and named in Unknown
	}{
		{"whole", nil, 3},
		{"hash directory gone", map[string]error{"q/deferred/1": fs.ErrNotExist}, 2},
		{"hash directory denied", map[string]error{"q/deferred/1": fs.ErrPermission}, -1},
		{"hash directory broken", map[string]error{"q/deferred/1": io.ErrUnexpectedEOF}, -1},
		{"queue gone", map[string]error{"q/deferred": fs.ErrNotExist}, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, err := count(t.Context(), vanishing{spoolHost(t), tt.gone}, inst)
			if err != nil {
				t.Fatal(err)
			}
			d := deferred(q)
			if tt.want >= 0 && (d == nil || d.Messages != tt.want || q.Unknown != "") {
				t.Errorf("deferred %+v, unknown %q; want %d", d, q.Unknown, tt.want)
			}
			if tt.want < 0 && (d != nil || !strings.Contains(q.Unknown, "deferred") || len(q.Queues) != 5) {
				t.Errorf("deferred %+v, unknown %q; want it absent and named", d, q.Unknown)
			}
		})
	}
}

func TestCountErrors(t *testing.T) {
	h := spoolHost(t)
	if _, err := count(t.Context(), h, mta.Instance{Name: "x"}); err == nil {
		t.Error("no queue directory: no error")
	}
	if q, err := count(t.Context(), h, mta.Instance{Name: "x", QueueDir: "/none"}); err == nil || len(q.Queues) > 0 {
		t.Errorf("missing queue directory: %v, %v", q, err)
	}
	gone := map[string]error{}
	for _, n := range queueNames() {
		gone["q/"+n] = fs.ErrPermission
	}
	if _, err := count(t.Context(), vanishing{h, gone}, mta.Instance{Name: "x", QueueDir: "/q"}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("denied: %v, want fs.ErrPermission", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if q, err := count(ctx, h, mta.Instance{Name: "x", QueueDir: "/q"}); !errors.Is(err, context.Canceled) || len(q.Queues) > 0 {
		t.Errorf("cancelled: %v, %v", q, err)
	}
}

// More entries than one batch, in a tree two levels deep.
func TestCountBatches(t *testing.T) {
	fsys := fstest.MapFS{}
	const each = dirBatch + 5
	for i := range each {
		fsys[fmt.Sprintf("q/A/B/4jYBf75Bwtz%05d", i)] = &fstest.MapFile{}
		fsys[fmt.Sprintf("q/A/4jYBf65Bwtz%05d", i)] = &fstest.MapFile{}
	}
	fsys["q/lost+found/x1"] = &fstest.MapFile{}
	c := counter{ctx: t.Context(), h: mapHost{&adaptertest.Host{}, fsys}}
	if err := c.dir("q", 0); err != nil {
		t.Fatal(err)
	}
	if c.messages != 2*each || c.undated || c.oldest != 1795452366 {
		t.Errorf("messages %d, undated %v, oldest %d; want %d, false, 1795452366", c.messages, c.undated, c.oldest, 2*each)
	}
}

type mapHost struct {
	*adaptertest.Host
	files fstest.MapFS
}

func (m mapHost) Open(name string) (fs.File, error) { return m.files.Open(name) }
