package app

import (
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/history"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/state"
	"github.com/mtawatch/mtawatch/internal/tail"
)

// pastDays are the rotated pieces of the log, a day each.
const pastDays = 3

// mailsADay is how many messages each day of the log has.
const mailsADay = 24 * 12

// oldLogs writes a log with its rotated pieces, the older ones compressed,
// and gives its path and the start of today's piece.
func oldLogs(t *testing.T) (path string, today time.Time) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "mail.log")
	today = time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Hour)
	for d := 1; d <= pastDays; d++ {
		text := dayOfMail(d, today.AddDate(0, 0, -d), mailsADay)
		name := fmt.Sprintf("%s.%d", path, d)
		if d > 1 {
			name += ".gz"
		}
		writeLog(t, name, text)
	}
	writeLog(t, path, dayOfMail(0, today, 12))
	return path, today
}

func writeLog(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".gz") {
		z := gzip.NewWriter(f)
		_, err = z.Write([]byte(text))
		if cerr := z.Close(); err == nil {
			err = cerr
		}
	} else {
		_, err = f.WriteString(text)
	}
	if cerr := f.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
}

// dayOfMail gives the lines of messages that come every five minutes, each
// with its connection.
func dayOfMail(day int, from time.Time, n int) string {
	var b strings.Builder
	for i := range n {
		at := from.Add(time.Duration(i) * 5 * time.Minute)
		id := fmt.Sprintf("%X", 0xA00000+day*0x10000+i)
		put := func(after time.Duration, text string) {
			b.WriteString(at.Add(after).Format("2006-01-02T15:04:05.000000-07:00") + " mx1 postfix/" + text + "\n")
		}
		put(0, "smtpd[10]: connect from client.example.org[192.0.2.1]")
		put(time.Second, "smtpd[10]: "+id+": client=client.example.org[192.0.2.1]")
		put(time.Second, "cleanup[11]: "+id+": message-id=<m"+id+"@example.org>")
		put(time.Second, "qmgr[12]: "+id+": from=<a@example.org>, size=1000, nrcpt=1 (queue active)")
		put(15*time.Second, "smtpd[10]: disconnect from client.example.org[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5")
		put(16*time.Second, "smtp[13]: "+id+": to=<b@example.net>, relay=mx.example.net[192.0.2.7]:25, delay=15, delays=0.1/0/14/0.9, dsn=2.0.0, status=sent (250 2.0.0 Ok)")
		put(16*time.Second, "qmgr[12]: "+id+": removed")
	}
	return b.String()
}

// house is a data directory with a live belt that has read the log itself.
type house struct {
	db     *state.DB
	series *history.Store
	belt   *pipeline.Belt
	old    *importer
	src    mta.LogSource
	in     []mta.Instance
}

func openHouse(t *testing.T, dir, path string, log *slog.Logger) *house {
	t.Helper()
	h := &house{src: mta.LogSource{Kind: mta.LogFile, Path: path}}
	h.in = []mta.Instance{{MTA: "postfix", Name: "postfix", Logs: []mta.LogSource{h.src}, Listen: []mta.Listen{{Service: "smtp", Port: 25}}}}
	var err error
	if h.db, err = state.Open(filepath.Join(dir, "state.db"), state.Config{}); err != nil {
		t.Fatal(err)
	}
	if h.series, err = history.Open(filepath.Join(dir, "series"), history.Config{Logger: log}); err != nil {
		t.Fatal(err)
	}
	h.belt = pipeline.New(pipeline.Config{Location: time.UTC, State: h.db, History: h.series, Adapters: all.Adapters(), Judge: true})
	if err := h.belt.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.belt.SetInstances(h.in)
	cfg := config.Default()
	h.old = newImporter(cfg, time.UTC, all.Adapters(), h.db, h.series, h.belt, log)
	return h
}

// readLog gives the live belt the log itself, as the tail does at the first start.
func (h *house) readLog(t *testing.T) {
	t.Helper()
	if err := tail.ReadAll(t.Context(), tail.Config{}, []string{h.src.Path}, placed{h.belt}); err != nil {
		t.Fatal(err)
	}
	if err := h.belt.Tick(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
}

// placed gives each batch a place, as the tail does.
type placed struct{ *pipeline.Belt }

func (p placed) Batch(ctx context.Context, b tail.Batch) error {
	b.Place = "read"
	return p.Belt.Batch(ctx, b)
}

func (h *house) close(t *testing.T) {
	t.Helper()
	if err := h.db.Close(); err != nil {
		t.Error(err)
	}
	if err := h.series.Close(); err != nil {
		t.Error(err)
	}
}

// value asks PromQL for the one value of an expression.
func (h *house) value(t *testing.T, query string, at time.Time) float64 {
	t.Helper()
	r, err := h.series.Query(t.Context(), query, at)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Series) != 1 || len(r.Series[0].Points) != 1 {
		t.Fatalf("%s at %s: %d series", query, at.Format(time.DateTime), len(r.Series))
	}
	return r.Series[0].Points[0].Value
}

func (h *house) received(t *testing.T) float64 {
	t.Helper()
	for _, s := range h.belt.Metrics(time.Now()) {
		if s.Series.Name == "mta_received_messages_total" {
			return s.Value
		}
	}
	t.Fatal("the live belt has no counter of received messages")
	return 0
}

func (h *house) check(t *testing.T, today time.Time) {
	t.Helper()
	if got := h.received(t); got != 12 {
		t.Errorf("the live watch counts %v messages; 12 stand in the log itself", got)
	}
	if got := h.value(t, "max_over_time(mta_received_messages_total[20m])", today.Add(-time.Second)); got != pastDays*mailsADay {
		t.Errorf("before today %v messages were received, want %d", got, pastDays*mailsADay)
	}
	if got := h.value(t, "increase(mta_received_messages_total[1h])", today.Add(-20*time.Hour)); got < 11 || got > 13 {
		t.Errorf("in an hour of yesterday %v messages were received, want 12", got)
	}
	if got := h.value(t, `max_over_time(mta_queue_messages{queue="active"}[10m])`, today.Add(-20*time.Hour)); got != 1 {
		t.Errorf("yesterday's queue had %v messages at most, want 1", got)
	}
	if got := h.value(t, `max_over_time(mta_inbound_connections{port="25"}[10m])`, today.Add(-20*time.Hour)); got != 1 {
		t.Errorf("yesterday %v connections were open at most, want 1", got)
	}
	if got := h.belt.Learned(); got < (pastDays-1)*24*time.Hour {
		t.Errorf("what is normal is learned from %s, of %d days", got, pastDays)
	}
}

func TestImportAtFirstStart(t *testing.T) {
	dir := t.TempDir()
	path, today := oldLogs(t)
	h := openHouse(t, dir, path, slog.New(slog.DiscardHandler))
	run := h.old.plan(t.Context(), h.src, h.in, "")
	if run == nil {
		t.Fatal("nothing is imported")
	}
	h.readLog(t)
	run(t.Context())
	h.check(t, today)
	h.close(t)

	h = openHouse(t, dir, path, slog.New(slog.DiscardHandler))
	defer h.close(t)
	h.check(t, today)
	if h.old.plan(t.Context(), h.src, h.in, h.belt.Place(path)) != nil {
		t.Error("it is imported again")
	}
}

// cancels ends a context at the first log record with a message.
type cancels struct {
	slog.Handler
	at     string
	cancel context.CancelFunc
}

func (c cancels) Enabled(context.Context, slog.Level) bool { return true }

func (c cancels) Handle(_ context.Context, r slog.Record) error {
	if r.Message == c.at {
		c.cancel()
	}
	return nil
}

// An import that ends in the middle goes on where it was, though the log has
// rotated meanwhile, and counts nothing twice.
func TestImportGoesOn(t *testing.T) {
	dir := t.TempDir()
	path, today := oldLogs(t)
	ctx, cancel := context.WithCancel(t.Context())
	h := openHouse(t, dir, path, slog.New(cancels{slog.DiscardHandler, "imported", cancel}))
	run := h.old.plan(ctx, h.src, h.in, "")
	h.readLog(t)
	run(ctx)
	if ctx.Err() == nil {
		t.Fatal("no piece was imported before the end")
	}
	h.close(t)

	for d := pastDays + 1; d > 1; d-- { // rotated by compression and name
		for _, z := range []string{"", ".gz"} {
			_ = os.Rename(fmt.Sprintf("%s.%d%s", path, d-1, z), fmt.Sprintf("%s.%d%s", path, d, z))
		}
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	h = openHouse(t, dir, path, slog.New(slog.DiscardHandler))
	defer h.close(t)
	run = h.old.plan(t.Context(), h.src, h.in, h.belt.Place(path))
	if run == nil {
		t.Fatal("the import does not go on")
	}
	if err := h.belt.Idle(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	run(t.Context())
	h.check(t, today)
}

func TestNoImport(t *testing.T) {
	path, _ := oldLogs(t)
	h := openHouse(t, t.TempDir(), path, slog.New(slog.DiscardHandler))
	defer h.close(t)
	if h.old.plan(t.Context(), h.src, h.in, "watched before") != nil {
		t.Error("a log that was watched before is imported")
	}
	if h.old.plan(t.Context(), mta.LogSource{Kind: mta.LogJournal}, h.in, "") != nil {
		t.Error("the journal is imported")
	}
	h.old.cfg.Import = false
	if h.old.plan(t.Context(), h.src, h.in, "") != nil {
		t.Error("it is imported though it is switched off")
	}
	h.old.cfg.Import, h.old.cfg.Retention = true, time.Nanosecond
	if h.old.plan(t.Context(), h.src, h.in, "") != nil {
		t.Error("what is older than the retention is imported")
	}
}
