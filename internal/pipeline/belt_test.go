package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/history"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/state"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/view"
)

const logPath = "/var/log/mail.log"

var (
	ctx       = context.Background()
	noon      = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	instances = []mta.Instance{{MTA: "postfix", Name: "postfix", Running: true, Queues: []string{"active", "deferred"},
		Logs: []mta.LogSource{{Kind: mta.LogFile, Path: logPath}}, Listen: []mta.Listen{{Service: "smtp", Port: 25}}}}
)

// mail gives the log lines of one message that arrives at a time and is sent
// or, every third, deferred.
func mail(i int, at time.Time) string {
	stamp := func(d time.Duration) string { return at.Add(d).Format("2006-01-02T15:04:05.000000-07:00") + " mx1 " }
	id := fmt.Sprintf("%X", 0xA0000+i)
	s := stamp(0) + "postfix/smtpd[10]: " + id + ": client=client.example.org[192.0.2.1]\n" +
		stamp(0) + "postfix/cleanup[11]: " + id + ": message-id=<m" + strconv.Itoa(i) + "@example.org>\n" +
		stamp(1) + "postfix/qmgr[12]: " + id + ": from=<a@example.org>, size=1000, nrcpt=1 (queue active)\n"
	head := stamp(2) + "postfix/smtp[13]: " + id + ": to=<b@example.net>, relay=mx.example.net[192.0.2.7]:25, delay=0.3, delays=0.1/0/0.1/0.1, "
	if i%3 == 0 {
		return s + head + "dsn=4.2.2, status=deferred (host mx.example.net[192.0.2.7] said: 452 4.2.2 Mailbox full (in reply to RCPT TO command))\n"
	}
	return s + head + "dsn=2.0.0, status=sent (250 2.0.0 Ok)\n" + stamp(3) + "postfix/qmgr[12]: " + id + ": removed\n"
}

// stores opens real stores in a directory.
func stores(t *testing.T, dir string) (*state.DB, *history.Store) {
	t.Helper()
	db, err := state.Open(filepath.Join(dir, "state.db"), state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	series, err := history.Open(filepath.Join(dir, "series"), history.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return db, series
}

func newBelt(t *testing.T, db StateStore, series HistoryStore) *Belt {
	t.Helper()
	b := New(Config{State: db, History: series, Adapters: all.Adapters()})
	if db != nil {
		if err := b.Restore(ctx); err != nil {
			t.Fatal(err)
		}
	}
	b.SetInstances(instances)
	return b
}

func closeAll(t *testing.T, db *state.DB, series *history.Store) {
	t.Helper()
	if err := errors.Join(series.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// metric gives the sum of the series of a name whose key holds every part.
func metric(b *Belt, now time.Time, name string, parts ...string) (sum float64, found bool) {
	for _, s := range b.Metrics(now) {
		k := s.Series.Key()
		ok := s.Series.Name == name
		for _, p := range parts {
			ok = ok && strings.Contains(k, p)
		}
		if ok {
			sum, found = sum+s.Value, true
		}
	}
	return sum, found
}

func wantMetric(t *testing.T, b *Belt, now time.Time, want float64, name string, parts ...string) {
	t.Helper()
	if got, _ := metric(b, now, name, parts...); got != want {
		t.Errorf("%s %v = %v, want %v", name, parts, got, want)
	}
}

// TestKillAnywhere feeds a log in random pieces, commits at random moments
// and now and then forgets everything that was not committed, as a kill does.
// At the end every message counts once.
func TestKillAnywhere(t *testing.T) {
	const messages = 900
	var log strings.Builder
	for i := range messages {
		log.WriteString(mail(i, noon.Add(time.Duration(i)*time.Second)))
	}
	text := log.String()
	dir := t.TempDir()
	r := rand.New(rand.NewSource(1))
	db, series := stores(t, dir)
	b := newBelt(t, db, series)
	kills := 0
	for done := false; !done; {
		at, _ := strconv.Atoi(b.Place(logPath))
		cut := min(at+r.Intn(20_000), len(text))
		cut = strings.LastIndexByte(text[:cut], '\n') + 1
		if cut > at {
			if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: text[at:cut], Place: strconv.Itoa(cut), Ref: noon, AtEnd: cut == len(text)}); err != nil {
				t.Fatal(err)
			}
		}
		if r.Intn(3) == 0 {
			if err := b.Tick(ctx, noon.Add(time.Hour+time.Duration(at)*time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			done = cut == len(text)
		}
		if !done && r.Intn(4) == 0 { // what was not committed is gone
			kills++
			closeAll(t, db, series)
			db, series = stores(t, dir)
			b = newBelt(t, db, series)
		}
	}
	defer func() { closeAll(t, db, series) }()
	if kills < 5 {
		t.Fatalf("only %d kills: the test shows nothing", kills)
	}
	now := noon.Add(2 * time.Hour)
	wantMetric(t, b, now, messages, "mta_received_messages_total")
	wantMetric(t, b, now, messages*2/3, "mta_delivery_attempts_total", `status="sent"`)
	wantMetric(t, b, now, messages/3, "mta_delivery_attempts_total", `status="deferred"`, `cause="mailbox-full"`)
	wantMetric(t, b, now, float64(strings.Count(text, "\n")), "mtawatch_log_lines_total")
	if d, _ := b.tracker.Depth("postfix"); d.Messages != messages/3 || d.Deferred != messages/3 {
		t.Errorf("queue by the log: %+v, want %d deferred", d, messages/3)
	}
	f := b.Failures(view.FailureQuery{Window: 2 * time.Hour}, noon.Add(time.Hour))
	if f.Attempts["deferred"] != messages/3 || len(f.Rows) != 1 || f.Rows[0].Deferred != messages/3 {
		t.Errorf("failure table after %d kills: %+v", kills, f)
	}
}

// TestFirstPlaceIsStored kills the belt right after the first batch of a log,
// before any tick: the next start goes on behind it, with its lines counted.
func TestFirstPlaceIsStored(t *testing.T) {
	dir := t.TempDir()
	db, series := stores(t, dir)
	b := newBelt(t, db, series)
	text := mail(1, noon)
	for _, place := range []string{"first", "second"} {
		if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: text, Ref: noon.Add(time.Minute), Place: place}); err != nil {
			t.Fatal(err)
		}
	}
	closeAll(t, db, series)

	db, series = stores(t, dir)
	defer closeAll(t, db, series)
	b = newBelt(t, db, series)
	if got := b.Place(logPath); got != "first" {
		t.Errorf("goes on at %q, want the place of the first batch", got)
	}
	wantMetric(t, b, noon.Add(time.Minute), float64(strings.Count(text, "\n")), "mtawatch_log_lines_total")
}

// TestBatchWithoutPlaceIsNotStored: a log that is read once is counted file by
// file, so half of one is not stored: it would be read and counted again.
func TestBatchWithoutPlaceIsNotStored(t *testing.T) {
	dir := t.TempDir()
	db, series := stores(t, dir)
	b := newBelt(t, db, series)
	for i := range 3 {
		at := noon.Add(time.Duration(i) * time.Minute)
		if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: mail(i, at), Ref: at}); err != nil {
			t.Fatal(err)
		}
	}
	closeAll(t, db, series)

	db, series = stores(t, dir)
	defer closeAll(t, db, series)
	if n, found := metric(newBelt(t, db, series), noon.Add(time.Hour), "mtawatch_log_lines_total"); found && n != 0 {
		t.Errorf("%g lines are stored without the place behind them", n)
	}
}

// TestCatchUp reads an old log at the start: its counts lie at their own
// times in the history.
func TestCatchUp(t *testing.T) {
	db, series := stores(t, t.TempDir())
	defer closeAll(t, db, series)
	b := newBelt(t, db, series)
	for i := range 360 { // an hour, a message each 10 s
		err := b.Batch(ctx, tail.Batch{Source: logPath, Text: mail(i, noon.Add(time.Duration(10*i)*time.Second)), Behind: int64(359 - i), AtEnd: i == 359})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Tick(ctx, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, minutes := range []int{15, 30, 45, 60} {
		res, err := series.Query(ctx, "sum(mta_received_messages_total)", noon.Add(time.Duration(minutes)*time.Minute))
		if err != nil || len(res.Series) != 1 {
			t.Fatalf("after %d min: %+v, %v", minutes, res, err)
		}
		if got, want := res.Series[0].Points[0].Value, float64(6*minutes); got < want-2 || got > want {
			t.Errorf("after %d min %v messages, want about %v", minutes, got, want)
		}
	}
}

// refusing is a state store on which a disk is full.
type refusing struct {
	*state.DB
	full bool
}

func (r *refusing) Commit(c context.Context, b *state.Batch) error {
	if r.full {
		return fmt.Errorf("commit: %w", state.ErrFull)
	}
	return r.DB.Commit(c, b)
}

// TestStoreFull loses nothing while the store takes nothing.
func TestStoreFull(t *testing.T) {
	dir := t.TempDir()
	db, series := stores(t, dir)
	r := &refusing{DB: db}
	b := newBelt(t, r, series)
	feed := func(from, to int) {
		for i := from; i < to; i++ {
			if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: mail(i, noon), Place: strconv.Itoa(i), AtEnd: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	feed(0, 30)
	if err := b.Tick(ctx, noon.Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	r.full = true
	feed(30, 60)
	if err := b.Tick(ctx, noon.Add(20*time.Second)); !errors.Is(err, ErrStore) || !errors.Is(err, state.ErrFull) {
		t.Fatalf("a full store gave %v", err)
	}
	if st := b.Status(noon.Add(21 * time.Second)); !hasBlind(st, "store") {
		t.Errorf("a full store is no blind spot: %+v", st.Blind)
	}
	feed(60, 90)
	r.full = false
	if err := b.Tick(ctx, noon.Add(30*time.Second)); err != nil {
		t.Fatal(err)
	}
	if st := b.Status(noon.Add(31 * time.Second)); hasBlind(st, "store") {
		t.Errorf("still a blind spot after recovery: %+v", st.Blind)
	}
	closeAll(t, db, series)
	db, series = stores(t, dir)
	defer closeAll(t, db, series)
	b = newBelt(t, db, series)
	wantMetric(t, b, noon.Add(time.Minute), 90, "mta_received_messages_total")
	if d, _ := b.tracker.Depth("postfix"); d.Messages != 30 {
		t.Errorf("after restart the log's queue has %d messages, want 30", d.Messages)
	}
}

func hasBlind(st view.Status, source string) bool {
	for _, s := range st.Blind {
		if s.Source == source {
			return true
		}
	}
	return false
}

// TestClockBack counts on while the clock is behind the stored samples, and
// says so.
func TestClockBack(t *testing.T) {
	db, series := stores(t, t.TempDir())
	defer closeAll(t, db, series)
	b := newBelt(t, db, series)
	tick := func(at time.Time) {
		if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: mail(int(at.Unix()%100_000), at), AtEnd: true}); err != nil {
			t.Fatal(err)
		}
		if err := b.Tick(ctx, at); err != nil {
			t.Fatal(err)
		}
	}
	tick(noon)
	back := noon.Add(-time.Hour)
	tick(back)
	if !hasBlind(b.Status(back), "clock") {
		t.Error("a clock an hour behind is no blind spot")
	}
	wantMetric(t, b, back, 2, "mta_received_messages_total")
	tick(noon.Add(10 * time.Second))
	if hasBlind(b.Status(noon.Add(10*time.Second)), "clock") {
		t.Error("still a blind spot after the clock is right again")
	}
	res, err := series.Query(ctx, "sum(mta_received_messages_total)", noon.Add(10*time.Second))
	if err != nil || len(res.Series) != 1 || res.Series[0].Points[0].Value != 3 {
		t.Errorf("stored: %+v, %v; want 3", res, err)
	}
}
