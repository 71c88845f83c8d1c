package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/host"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/sample"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/view"
)

// tree writes files below a new directory, and gives it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	base := t.TempDir()
	for name, text := range files {
		p := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(strings.ReplaceAll(text, "BASE", base)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return base
}

// channelLog is an hour of a server with channels: mail to the store, mail that
// waits for a site that does not answer, mail that nobody has tried.
const channelLog = `23-Nov-2025 12:00:00.10 501d.0b.1 tcp_local    ims-ms       EE 2 a@example.org rfc822;b@example.com b@ims-ms-daemon BASE/data/queue/ims-ms/ZZs1.00 <s1@example.org>
23-Nov-2025 12:00:01.10 501e.0b.1 ims-ms                    D 2 a@example.org rfc822;b@example.com b@ims-ms-daemon BASE/data/queue/ims-ms/ZZs1.00 <s1@example.org>
23-Nov-2025 12:00:02.10 501d.0b.2 tcp_intranet tcp_local    E 3 a@example.com rfc822;c@example.net c@example.net BASE/data/queue/tcp_local/000/ZZq1.00 <q1@example.com>
23-Nov-2025 12:00:02.10 501d.0b.2 tcp_intranet tcp_local    E 3 a@example.com rfc822;d@example.net d@example.net BASE/data/queue/tcp_local/000/ZZq1.00 <q1@example.com>
23-Nov-2025 12:00:05.10 501f.0b.1 tcp_local                 Q 0 a@example.com rfc822;c@example.net c@example.net BASE/data/queue/tcp_local/000/ZZq1.00 <q1@example.com> TCP active open: Failed connect() 192.0.2.7:25  Error: Connection timed out
23-Nov-2025 12:00:05.20 501f.0b.1 tcp_local                 Q 0 a@example.com rfc822;d@example.net d@example.net BASE/data/queue/tcp_local/000/ZZq1.00 <q1@example.com> TCP active open: Failed connect() 192.0.2.7:25  Error: Connection timed out
23-Nov-2025 12:00:06.10 501d.0b.3 tcp_intranet tcp_local    E 3 a@example.com rfc822;e@example.org e@example.org BASE/data/queue/tcp_local/000/ZZq2.00 <q2@example.com>
`

func channelBase(t *testing.T) string {
	return tree(t, map[string]string{
		"config/imta.cnf":                      "! rules\n$* $U%$H@tcp_local-daemon\n\ndefaults logging notices 1 2 4 7\ntcp_local smtp mx subdirs 5\ntcp-daemon\n\nims-ms\nims-ms-daemon\n\ntcp_intranet smtp\ntcp_intranet-daemon\n\nhold\nhold-daemon\n",
		"config/dispatcher.cnf":                "[SERVICE=SMTP]\nPORT=2525\nMAX_PROCS=5\nMAX_CONNS=20\nMAX_LIFE_TIME=86400\n",
		"config/job_controller.cnf":            "TCP_PORT=27442\n[POOL=DEFAULT]\njob_limit=10\n",
		"config/option.dat":                    "LOG_FORMAT=1\nLOG_PROCESS=1\nLOG_MESSAGE_ID=1\nLOG_FILENAME=1\nLOG_CONNECTION=3\n",
		"data/log/mail.log_current":            channelLog,
		"data/queue/tcp_local/000/ZYq1.01":     "tried once",
		"data/queue/tcp_local/000/ZZq2.00":     "fresh",
		"data/queue/tcp_local/001/ZZolder.00":  "of before the log",
		"data/queue/ims-ms/ZZloop.HELD":        "held",
		"data/queue/hold/ZZput.HELD":           "put there",
		"data/log/dispatcher.log-0A1B2C":       "",
		"data/log/tcp_smtp_server.log-0000001": "",
	})
}

// TestServerOfChannels: the belt over a server that is there as files alone:
// the log tells for whom the files of the queue wait.
func TestServerOfChannels(t *testing.T) {
	base := channelBase(t)
	ctx, h := t.Context(), host.New(host.Config{})
	a, _ := all.ByName("imta")
	in, err := a.At(ctx, h, base)
	if err != nil {
		t.Fatal(err)
	}
	in.Name = "imta"
	b := New(Config{Adapters: all.Adapters(), Judge: true})
	b.SetInstances([]mta.Instance{in})
	readLogs(t, b, in)
	now := time.Now()
	q, err := sample.Count(ctx, h, &a, in, now)
	if err != nil {
		t.Fatal(err)
	}
	b.SetQueue(q, time.Minute)
	table, counts, err := sample.List(ctx, h, &a, in, now, b.Filler(in.Name))
	if err != nil {
		t.Fatal(err)
	}
	b.SetQueueTable(in.Name, Listed(now, time.Minute, table, counts, nil, nil))
	b.SetConnections(mta.Connections{Time: now, Ports: []mta.PortTable{{Port: 2525, Listening: true}}})
	b.SetConditions(in.Name, now, []mta.Condition{{Kind: mta.ConditionReturnJobMissed, Text: "it did not run"}}, nil)

	waits := map[string]string{}
	answer := b.Queue(view.QueueQuery{Counters: true}, now)
	for _, r := range answer.Detail[0].Rows {
		waits[r.Destination] = time.Duration(r.Recipients).String() + " " + r.Reason
	}
	want := map[string]string{"example.net": "2ns TCP active open: Failed connect() 192.0.2.7:25  Error: Connection timed out", "example.org": "1ns ", "unknown": "3ns "}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Errorf("the queue by destination (-want +got):\n%s", diff)
	}
	for _, c := range answer.Detail[0].Channels {
		if c.Channel == "tcp_local" && (c.Received.Messages != 2 || c.Received.Recipients != 3 || *c.Stored != 3 || c.Attempted != 2 || c.Submitted.Messages != 1) {
			t.Errorf("the counts of tcp_local are %+v, stored %d, received %+v", c, *c.Stored, c.Received)
		}
	}
	got := map[string]float64{}
	for _, s := range b.Metrics(now) {
		got[s.Series.Key()] = s.Value
	}
	for key, v := range map[string]float64{
		`mta_queue_untried_messages{instance="imta",queue="tcp_local"}`:                               2,
		`mta_queue_messages{instance="imta",queue="held"}`:                                            1,
		`mta_queue_messages{instance="imta",queue="hold"}`:                                            1,
		`mta_inbound_capacity{instance="imta",port="2525"}`:                                           100,
		`mta_channel_recipients_total{instance="imta",channel="tcp_local",action="attempted"}`:        2,
		`mta_delivery_attempts_total{instance="imta",status="deferred",cause="connect-timeout"}`:      2,
		`mta_received_messages_total{instance="imta"}`:                                                3,
		`mta_delivery_delay_seconds_count{instance="imta",stage="total"}`:                             1,
		`mta_queue_destination_messages{instance="imta",destination="example.net",age="` + "5" + `"}`: 2,
	} {
		if x, ok := got[key]; !ok || x != v {
			t.Errorf("%s is %v (%v), want %v", key, x, ok, v)
		}
	}
	codes := map[mta.FindingCode]string{}
	for range 20 {
		if err := b.Tick(ctx, now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(10 * time.Second)
		q.Time = now
		b.SetQueue(q, time.Minute)
		b.SetConditions(in.Name, now, []mta.Condition{{Kind: mta.ConditionReturnJobMissed, Text: "it did not run"}}, nil)
	}
	open, _ := b.Findings()
	for _, f := range open {
		codes[f.Code] = f.Subject
	}
	if codes[mta.FindingMailHeld] != "held" || codes[mta.FindingOwnResourceFailing] != "return job" {
		t.Errorf("open are %v", codes)
	}
}

// readLogs gives the belt what an instance's logs hold.
func readLogs(t *testing.T, b *Belt, in mta.Instance) {
	t.Helper()
	for _, l := range in.Logs {
		if err := tail.ReadEnd(t.Context(), tail.Config{}, l.Path, 1<<20, b); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDaemonLogs: the log of a daemon whose name changes with each start is
// followed from its start, holds nothing up, has no series, and leaves
// nothing behind.
func TestDaemonLogs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	main := write("mail.log_current", strings.ReplaceAll(channelLog, "BASE", dir))
	first := write("job_controller.log-1", "23/Nov/2025:12:00:00 +0000 mail job_controller[4711]: General Error: cannot start ims_master\n")
	source := func(p string, quiet bool) mta.LogSource {
		return mta.LogSource{Kind: mta.LogFile, Path: p, Quiet: quiet}
	}
	in := mta.Instance{MTA: "imta", Name: "imta", BaseDir: dir, Logs: []mta.LogSource{source(main, false), source(first, true)}}
	b := New(Config{Adapters: all.Adapters(), Judge: true})
	b.SetInstances([]mta.Instance{in})
	if err := b.Batch(t.Context(), tail.Batch{Source: main, Text: "", AtEnd: true}); err != nil {
		t.Fatal(err)
	}
	if !b.CaughtUp() {
		t.Error("a log that is written only in trouble holds up the watch")
	}
	readLogs(t, b, in)
	warnings := facts{b}.Warnings("imta", time.Date(2025, 11, 23, 0, 0, 0, 0, time.UTC))
	if len(warnings) != 1 || !strings.Contains(warnings[0].Text, "cannot start ims_master") {
		t.Errorf("the daemon's complaints are %v", warnings)
	}
	for _, s := range b.Metrics(time.Now()) {
		if strings.Contains(s.Series.Key(), "job_controller.log") {
			t.Errorf("there is a series %s", s.Series.Key())
		}
	}
	b.Blind(first, &mta.BlindSpot{Source: first, Kind: mta.BlindMissing, Text: "gone"})
	for _, spot := range b.Status(time.Now().Add(48 * time.Hour)).Blind {
		if spot.Source == first {
			t.Errorf("it is a blind spot: %s", spot.Text)
		}
	}
	b.DropSource(first)
	for _, s := range b.Status(time.Now()).Sources {
		if s.Source == first {
			t.Error("it is still told of after it was dropped")
		}
	}
}
