package compat_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/compat"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/prom"
	"github.com/mtawatch/mtawatch/internal/track"
)

// update rewrites the golden file.
var update = flag.Bool("update", false, "rewrite testdata")

// facts takes log lines through the parser and the tracker, as the belt does,
// and hands each fact on while it is valid.
func facts(t testing.TB, text string, each func(track.Fact)) {
	t.Helper()
	a, ok := all.ByName("postfix")
	if !ok {
		t.Fatal("there is no adapter for Postfix")
	}
	p, tracker := a.Parser(adapter.ParserConfig{}), track.New(track.Config{}, classify.New())
	for line := range strings.Lines(text) {
		events, err := p.Parse(nil, adapter.Line{Text: strings.TrimSuffix(line, "\n"), Ref: time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)})
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		for i := range events {
			each(tracker.Apply(&events[i]))
		}
	}
}

func count(t testing.TB, text string) *compat.Exporter {
	t.Helper()
	x := compat.New()
	facts(t, text, x.Add)
	return x
}

func mailLog(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/mail.log")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// values gives every sample under its key, name{label="value"}.
func values(list []mta.Sample) map[string]float64 {
	m := make(map[string]float64, len(list))
	for _, s := range list {
		m[s.Series.Key()] = s.Value
	}
	return m
}

func TestExposition(t *testing.T) {
	x := count(t, mailLog(t))
	var b bytes.Buffer
	if err := prom.Write(&b, x.Samples(nil), compat.Help); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/mail.prom"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&b)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range families {
		kind := dto.MetricType_COUNTER
		if strings.HasSuffix(name, "_seconds") || strings.HasSuffix(name, "_bytes") || strings.HasSuffix(name, "ipients") {
			kind = dto.MetricType_HISTOGRAM
		}
		if f.GetType() != kind || f.GetHelp() == "" || f.GetHelp() != compat.Help(name) {
			t.Errorf("%s: type %s, help %q", name, f.GetType(), f.GetHelp())
		}
		if !slices.Contains(compat.Names(), name) {
			t.Errorf("%s is not in Names", name)
		}
	}
}

// What stands in testdata/mail.log, counted by hand.
func TestCounts(t *testing.T) {
	got := values(count(t, mailLog(t)).Samples(nil))
	const tls = `{trust="Anonymous",protocol="TLSv1.2",cipher="ECDHE-RSA-DES-CBC3-SHA",secret_bits="112",algorithm_bits="168"}`
	for _, tt := range []struct {
		name string
		key  string
		want float64
	}{
		{"a resent message is one", "postfix_cleanup_messages_processed_total", 2},
		{"header check", "postfix_cleanup_messages_rejected_total", 1},
		{"milter", "postfix_cleanup_messages_not_accepted_total", 1},
		{"recipients", "postfix_qmgr_messages_inserted_receipients_sum", 3},
		{"a bound belongs to its bucket", `postfix_qmgr_messages_inserted_size_bytes_bucket{le="1000"}`, 1},
		{"largest size", `postfix_qmgr_messages_inserted_size_bytes_bucket{le="1e+06"}`, 2},
		{"expired", "postfix_qmgr_messages_expired_total", 1},
		{"removed", "postfix_qmgr_messages_removed_total", 2},
		{"deliveries and a probe by smtp", `postfix_smtp_delivery_delay_seconds_count{stage="transmission"}`, 4},
		{"stage", `postfix_smtp_delivery_delay_seconds_sum{stage="connection_setup"}`, 31.6},
		{"lmtp", `postfix_lmtp_delivery_delay_seconds_sum{stage="before_queue_manager"}`, 0.05},
		{"pipe", `postfix_pipe_delivery_delay_seconds_sum{relay="spamfilter",stage="transmission"}`, 61},
		{"sent", `postfix_smtp_messages_processed_total{status="sent"}`, 1},
		{"error and retry count as deferred", `postfix_smtp_messages_processed_total{status="deferred"}`, 3},
		{"a bounce of error does not count", `postfix_smtp_messages_processed_total{status="bounced"}`, 1},
		{"probe", `postfix_smtp_messages_processed_total{status="deliverable"}`, 1},
		{"deferred", "postfix_smtp_status_deferred", 3},
		{"deferred by its other name", "postfix_smtp_deferred_messages_total", 3},
		{"deferred by code", `postfix_smtp_deferred_messages_by_dsn_total{dsn="4.4.1"}`, 2},
		{"bounced by code", `postfix_smtp_bounced_messages_by_dsn_total{dsn="5.1.1"}`, 1},
		{"timed out, not refused", "postfix_smtp_connection_timed_out_total", 1},
		{"reused session", `postfix_smtp_tls_connections_total{trust="Trusted",protocol="TLSv1.3",cipher="TLS_AES_256_GCM_SHA384",secret_bits="256",algorithm_bits="256"}`, 1},
		{"effective and whole key size", "postfix_smtpd_tls_connections_total" + tls, 1},
		{"a service with a name of its own is smtpd", "postfix_smtpd_connects_total", 6},
		{"lost and timed out are not disconnects", "postfix_smtpd_disconnects_total", 6},
		{"host name", "postfix_smtpd_forward_confirmed_reverse_dns_errors_total", 1},
		{"lost after STARTTLS", `postfix_smtpd_connections_lost_total{after_stage="STARTTLS"}`, 1},
		{"lost within DATA", `postfix_smtpd_connections_lost_total{after_stage="DATA"}`, 1},
		{"without authentication", `postfix_smtpd_messages_processed_total{sasl_method=""}`, 1},
		{"method without its comma", `postfix_smtpd_messages_processed_total{sasl_method="PLAIN"}`, 1},
		{"reject", `postfix_smtpd_messages_rejected_total{code="550"}`, 2},
		{"aborted is not failed", "postfix_smtpd_sasl_authentication_failures_total", 1},
		{"a delay warning is no bounce", "postfix_bounce_non_delivery_notification_total", 1},
		{"virtual", "postfix_virtual_delivered_total", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if v, ok := got[tt.key]; !ok || v < tt.want-1e-9 || v > tt.want+1e-9 {
				t.Errorf("%s is %v (there: %v), want %v", tt.key, v, ok, tt.want)
			}
		})
	}
	if _, ok := got[`postfix_smtpd_messages_rejected_total{code="552"}`]; ok {
		t.Error("a refused MAIL FROM counts as a refused recipient")
	}
}

// An event of another mail server's program counts nowhere.
func TestOtherPrograms(t *testing.T) {
	x := compat.New()
	none := values(x.Samples(nil))
	for k := mta.KindConnect; k <= mta.KindStatistics; k++ {
		x.Add(track.Fact{Event: &mta.Event{Kind: k, Program: "sendmail", Status: mta.StatusSent, NumDelays: 4}})
	}
	if d := cmp.Diff(none, values(x.Samples(nil))); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
}

// Whatever the log says, the series stay few and every event counts once.
func TestBounds(t *testing.T) {
	const n = 5000
	x := compat.New()
	for i := range n {
		text := fmt.Sprintf("x%d", i)
		for _, e := range []mta.Event{
			{Program: "pipe", Kind: mta.KindDelivery, NumDelays: 4, Relay: mta.Peer{Path: text}},
			{Program: "smtp", Kind: mta.KindDelivery, Status: mta.StatusDeferred, NumDelays: 4, DSN: text},
			{Program: "smtp", Kind: mta.KindStatistics, NumDelays: 4, Text: text + " (x)"},
			{Program: "smtp", Kind: mta.KindTLS, TLS: mta.TLS{Direction: "to", Cipher: text}},
			{Program: "smtpd", Kind: mta.KindDisconnect, Reason: "lost", Command: text},
			{Program: "smtpd", Kind: mta.KindOrigin, SASLMethod: text},
			{Program: "smtpd", Kind: mta.KindReject, Stage: mta.StageRcpt, Code: int16(i + 1)},
		} {
			x.Add(track.Fact{Event: &e})
		}
	}
	list := x.Samples(nil)
	if len(list) > 2500 {
		t.Errorf("%d series", len(list))
	}
	sums := map[string]float64{}
	for _, s := range list {
		sums[s.Series.Name] += s.Value
	}
	for name, want := range map[string]float64{
		"postfix_pipe_delivery_delay_seconds_count":   4 * n,
		"postfix_smtp_deferred_messages_by_dsn_total": n,
		"postfix_smtp_messages_processed_total":       2 * n,
		"postfix_smtp_tls_connections_total":          n,
		"postfix_smtpd_connections_lost_total":        n,
		"postfix_smtpd_messages_processed_total":      n,
		"postfix_smtpd_messages_rejected_total":       n,
	} {
		if sums[name] != want {
			t.Errorf("%s: %v in all, want %v", name, sums[name], want)
		}
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	var list []mta.Event
	facts(t, mailLog(t), func(f track.Fact) { list = append(list, *f.Event) })
	x := compat.New()
	run := func() {
		for i := range list {
			x.Add(track.Fact{Event: &list[i]})
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations in %d events", n, len(list))
	}
}

// The Series pointers stay, as mta.Sample promises.
func TestSeriesStay(t *testing.T) {
	x := count(t, mailLog(t))
	a, b := x.Samples(nil), x.Samples(nil)
	for i := range a {
		if a[i].Series != b[i].Series {
			t.Fatalf("%s moved", a[i].Series.Key())
		}
	}
}

func TestHelp(t *testing.T) {
	for _, tt := range []struct{ name, like string }{
		{"postfix_smtp_status_deferred", "error and retry"},
		{"postfix_showq_message_age_seconds_bucket", "Age"},
		{"postfix_smtpd_connects_total_sum", ""},
		{"postfix_qmgr_messages_inserted_size_bytes", "Size"},
		{"mta_queue_messages", ""},
	} {
		if got := compat.Help(tt.name); !strings.Contains(got, tt.like) || (got == "") != (tt.like == "") {
			t.Errorf("Help(%s) is %q", tt.name, got)
		}
	}
}

// The page for the reader of a dashboard names every metric.
func TestPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/compat.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range compat.Names() {
		if !strings.Contains(string(b), "| `"+name) {
			t.Errorf("docs/compat.md does not tell of %s", name)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	var list []mta.Event
	facts(b, mailLog(b), func(f track.Fact) { list = append(list, *f.Event) })
	x := compat.New()
	for i := 0; b.Loop(); i++ {
		x.Add(track.Fact{Event: &list[i%len(list)]})
	}
}
