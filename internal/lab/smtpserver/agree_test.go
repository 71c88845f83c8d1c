package smtpserver_test

import (
	"encoding/base64"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/imta"
	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestWatchedBy lets everything happen that the front of the MTA logs, and
// wants mtawatch's adapter to read all of it, and right.
func TestWatchedBy(t *testing.T) {
	for name, format := range map[string]int{"text": 1, "XML": 4} {
		t.Run(name, func(t *testing.T) {
			o := site.DefaultOptions()
			o.LogFormat, o.LogConnection = format, 255
			o.LogUsername, o.LogNode, o.LogNotary, o.LogEnvelopeID = format == 4, format == 4, format == 4, format == 4
			r := start(t, site.Settings{Options: o, Passwords: map[string]string{"alice": "secret"}, Denied: []netip.Prefix{netip.MustParsePrefix("127.0.9.0/24")}})
			c := r.dial(t, "127.0.1.1")
			b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
			c.say(t, "", "220", "EHLO c.example.org", "250", "WHAT is", "500", "AUTH PLAIN "+b64("\x00alice\x00no"), "535", "MAIL FROM:<a@example.org>", "250",
				"RCPT TO:<x@elsewhere.example>", "550", "RCPT TO:<nobody@example.com>", "550", "RCPT TO:<alice@example.com>", "250", "RCPT TO:<bob@example.com>", "250",
				"DATA", "354", "Message-ID: <m1@example.org>\r\n\r\nx\r\n.", "250", "AUTH PLAIN "+b64("\x00alice\x00secret"), "235",
				"MAIL FROM:<>", "250", "RCPT TO:<y@one.example>", "250", "DATA", "354", "x\r\n.", "250", "QUIT", "221")
			r.dial(t, "127.0.9.1").say(t, "", "554")
			lost := r.dial(t, "127.0.1.2")
			lost.say(t, "", "220")
			_ = lost.Close()
			r.log(t, "127.0.1.2", "closed by the client")
			worker := r.workers(t)[0]
			if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && slices.Contains(r.workers(t), worker); {
				time.Sleep(10 * time.Millisecond) // a client would go down with it
			}
			time.Sleep(50 * time.Millisecond)
			quit := r.dial(t, "")
			quit.say(t, "", "220", "QUIT", "221")
			_, _ = quit.lines.ReadByte() // the end: the record of it is written

			p := imta.Adapter.Parser(adapter.ParserConfig{Location: time.Local, Instances: []mta.Instance{{Name: "lab", LogNames: []string{"mail.example.com"}}}})
			counts := map[mta.Kind]int{}
			var events []mta.Event
			logs, err := filepath.Glob(filepath.Join(r.LogDir(), "*log*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range logs {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				for line := range strings.Lines(string(b)) {
					got, err := p.Parse(nil, adapter.Line{Text: strings.TrimSuffix(line, "\n")})
					if err != nil {
						t.Errorf("%v: %s", err, line)
					}
					for _, e := range got {
						counts[e.Kind]++
						if e.Time.IsZero() || time.Since(e.Time).Abs() > time.Minute {
							t.Errorf("time %v of %s", e.Time, line)
						}
					}
					events = append(events, got...)
				}
			}
			defer func() {
				if t.Failed() {
					t.Logf("the events: %+v", events)
				}
			}()
			for kind, want := range map[mta.Kind]int{mta.KindConnect: 4, mta.KindDisconnect: 4, mta.KindAuth: 2, mta.KindReject: 4, mta.KindReceived: 3, mta.KindDaemon: 4} {
				if counts[kind] != want {
					t.Errorf("%d events of kind %v, want %d", counts[kind], kind, want)
				}
			}
			for _, want := range []func(e mta.Event) bool{
				func(e mta.Event) bool {
					return e.Kind == mta.KindReceived && e.Program == "tcp_local" && e.Queue == "ims-ms" && e.OrigTo == "bob@example.com" &&
						e.MessageID == "m1@example.org" && e.Client.IP == "127.0.1.1" && e.Client.HELO == "c.example.org"
				},
				func(e mta.Event) bool {
					return e.Kind == mta.KindReceived && e.Program == "tcp_auth" && e.Queue == "tcp_local" && e.NullSender && e.To == "y@one.example"
				},
				func(e mta.Event) bool {
					return e.Kind == mta.KindReject && e.Stage == mta.StageRcpt && e.To == "x@elsewhere.example" && e.Code == 550 && e.DSN == "5.7.1"
				},
				func(e mta.Event) bool {
					return e.Kind == mta.KindReject && e.Stage == mta.StageConnect && e.Client.IP == "127.0.9.1"
				},
				func(e mta.Event) bool { return e.Kind == mta.KindAuth && e.Status == mta.StatusFailed },
				func(e mta.Event) bool {
					return e.Kind == mta.KindDaemon && e.Action == mta.ActionKilled && e.Daemon == mta.RoleSMTPServer
				},
			} {
				if !slices.ContainsFunc(events, want) {
					t.Errorf("an event is missing among %+v", events)
				}
			}
		})
	}
}
