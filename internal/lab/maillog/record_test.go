package maillog

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

func when() time.Time { return time.Date(2026, 10, 6, 0, 24, 3, 660_000_000, time.Local) }

func TestLines(t *testing.T) {
	all := site.Options{LogFormat: 1, LogProcess: true, LogMessageID: true, LogFilename: true, LogEnvelopeID: true, LogUsername: true, LogNode: true,
		LogNotary: true, LogReason: true, LogConnection: 255}
	plain := site.Options{LogFormat: 1}
	enqueue := Record{Time: when(), Node: "mail", Process: Process(0x501d, 0xb, 9), Source: "tcp_local", Dest: "ims-ms", Code: "EE", Blocks: Blocks(1025),
		From: "a@example.org", OrigTo: "b@example.com", To: "b@ims-ms-daemon", Notary: "NOTIFY=NEVER", File: "/q/ims-ms/ZZ0.00", EnvelopeID: "0ABC",
		MessageID: "<m1@host>", User: "*alice", System: "mx.example.org ([192.0.2.1])", Transport: Transport("192.0.2.1", 25, "198.51.100.66", 1244), Application: "SMTP"}
	busy := Record{Time: when(), Process: Process(0x501d, 0xb, 9), Source: "ims-ms", Code: "Q", Blocks: 5, From: "b@example.com", OrigTo: "b@example.com",
		To: "b@ims-ms-daemon", MessageID: "<m1@host>", Diagnostic: "Mailbox is busy"}
	bounce := Record{Time: when(), Source: "process", Dest: "tcp_local", Code: "E", Blocks: 1, NoFrom: true, OrigTo: "a@example.org", To: "a@example.org"}
	open := Record{Time: when(), Process: "1.2.0", Source: "tcp_local", Dest: "+", Code: "O", Transport: Transport("192.0.2.1", 25, "198.51.100.66", 1244), Application: "SMTP"}
	bad := Record{Time: when(), Source: "tcp_local", Code: "B", OrigTo: "", To: "HELLO you\x00", Diagnostic: "500 5.5.1 unknown\r\ncommand"}
	hostile := Record{Time: when(), Source: "a_channel_with_a_long_name", Dest: "ims-ms", Code: "E", From: "\"a\n b\"@x\x1b[2J", OrigTo: "c d@e", To: "\x7f"}
	def := site.DefaultOptions()
	xmlOptions := site.Options{LogFormat: 4, LogConnection: 3}
	for _, tt := range []struct {
		name    string
		options site.Options
		record  Record
		want    string
	}{
		{"enqueue", plain, enqueue, "06-Oct-2026 00:24:03.66 tcp_local    ims-ms       EE 2 a@example.org rfc822;b@example.com b@ims-ms-daemon"},
		{"enqueue, recommended", def, enqueue, "06-Oct-2026 00:24:03.66 501d.b.9 tcp_local    ims-ms       EE 2 a@example.org rfc822;b@example.com b@ims-ms-daemon /q/ims-ms/ZZ0.00 <m1@host> mx.example.org ([192.0.2.1])"},
		{"enqueue, all", all, enqueue, "06-Oct-2026 00:24:03.66 mail 501d.b.9 tcp_local    ims-ms       EE 2 a@example.org rfc822;b@example.com b@ims-ms-daemon NOTIFY=NEVER /q/ims-ms/ZZ0.00 0ABC <m1@host> *alice mx.example.org ([192.0.2.1]) TCP|192.0.2.1|25|198.51.100.66|1244 SMTP"},
		{"temporary failure", def, busy, "06-Oct-2026 00:24:03.66 501d.b.9 ims-ms                    Q 5 b@example.com rfc822;b@example.com b@ims-ms-daemon <m1@host> Mailbox is busy"},
		{"notification", def, bounce, "06-Oct-2026 00:24:03.66 process      tcp_local    E 1  rfc822;a@example.org a@example.org"},
		{"no node", site.Options{LogFormat: 1, LogNode: true}, bounce, "06-Oct-2026 00:24:03.66  process      tcp_local    E 1  rfc822;a@example.org a@example.org"},
		{"open", plain, open, "06-Oct-2026 00:24:03.66 tcp_local    +            O TCP|192.0.2.1|25|198.51.100.66|1244 SMTP"},
		{"bad command", def, bad, "06-Oct-2026 00:24:03.66 tcp_local                 B 0  rfc822; HELLO you? 500 5.5.1 unknown? command"},
		{"hostile", plain, hostile, `06-Oct-2026 00:24:03.66 a_channel_with_a_long_name ims-ms       E 0 "a?_b"@x?[2J rfc822;c_d@e ?`},
		{"XML", xmlOptions, enqueue, `<en ts="2026-10-06T00:24:03.66" pi="501d.b.9" sc="tcp_local" dc="ims-ms" ac="EE" sz="2" so="a@example.org" od="rfc822;b@example.com" de="b@ims-ms-daemon" rf="NOTIFY=NEVER" fi="/q/ims-ms/ZZ0.00" mi="&lt;m1@host&gt;" us="*alice" ss="mx.example.org ([192.0.2.1])"/>`},
		{"XML connection", xmlOptions, open, `<co ts="2026-10-06T00:24:03.66" pi="1.2.0" sc="tcp_local" dr="+" ac="O" tr="TCP|192.0.2.1|25|198.51.100.66|1244" ap="SMTP"/>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(appendRecord(nil, &tt.options, &tt.record)); got != tt.want+"\n" {
				t.Errorf("\ngot  %q\nwant %q", got, tt.want+"\n")
			}
		})
	}
}

// FuzzRecord wants one line of every record, and of format 4 an element that
// an XML reader takes.
func FuzzRecord(f *testing.F) {
	f.Add("a@example.org", "b\r\n\x00\u2028", "250 ok", "<m@x>")
	f.Fuzz(func(t *testing.T, from, to, reply, id string) {
		for _, format := range []int{1, 4} {
			o := site.Options{LogFormat: format, LogProcess: true, LogMessageID: true, LogFilename: true, LogEnvelopeID: true, LogUsername: true, LogNode: true, LogConnection: 255}
			for _, dest := range []string{"", "ims-ms", "+"} {
				r := Record{Time: when(), Node: to, Process: "1.2.3", Source: "tcp_local", Dest: dest, Code: "E", From: from, OrigTo: to, To: from, MessageID: id,
					User: from, System: reply, Reason: to, Diagnostic: reply, Transport: "TCP|1|2|3|4", Application: to}
				line := string(appendRecord(nil, &o, &r))
				body, ok := strings.CutSuffix(line, "\n")
				if !ok || strings.ContainsFunc(body, func(c rune) bool { return c < ' ' || c == 0x7f }) {
					t.Fatalf("%q", line)
				}
				if format == 4 {
					var v struct {
						Attr []xml.Attr `xml:",any,attr"`
					}
					if err := xml.Unmarshal([]byte(line), &v); err != nil {
						t.Fatalf("%q: %v", line, err)
					}
				}
			}
		}
	})
}
