package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/tail"
)

// benchLog gives the log of a relay: messages enter at a pace, in stamps
// without a year, several at work at a time. Of ten attempts six are sent,
// three deferred and one bounced.
func benchLog(messages int, pace time.Duration) string {
	var b strings.Builder
	open := make([][]string, 0, 16) // the lines that are still to come, by message
	emit := func(at time.Time, from int) {
		for i := from; i < len(open); i += 3 {
			b.WriteString(at.Format("Jan _2 15:04:05") + " mx1 postfix/" + open[i][0] + "\n")
			open[i] = open[i][1:]
		}
		kept := open[:0]
		for _, m := range open {
			if len(m) > 0 {
				kept = append(kept, m)
			}
		}
		open = kept
	}
	at := noon
	for i := range messages {
		open = append(open, benchMessage(i))
		emit(at, i%3)
		at = at.Add(pace)
	}
	for len(open) > 0 {
		emit(at, 0)
	}
	return b.String()
}

// benchMessage gives the lines of one message, without their heads.
func benchMessage(i int) []string {
	id := fmt.Sprintf("4jYT%04Xbcz%03X", i%65536, i*7%4096)
	id = strings.NewReplacer("A", "b", "E", "d").Replace(id)
	host, domain := "client"+strconv.Itoa(i%40)+".example.org", "d"+strconv.Itoa(i*i%60)+".example.net"
	ip := "192.0.2." + strconv.Itoa(i%40)
	pid := func(base int) string { return "[" + strconv.Itoa(base+i%20) + "]: " }
	m := []string{
		"smtpd" + pid(4000) + "connect from " + host + "[" + ip + "]",
		"smtpd" + pid(4000) + id + ": client=" + host + "[" + ip + "]",
		"cleanup" + pid(4100) + id + ": message-id=<2026112312." + id + "@" + host + ">",
		"qmgr[812]: " + id + ": from=<sender" + strconv.Itoa(i%90) + "@example.org>, size=" + strconv.Itoa(1000+i) + ", nrcpt=1 (queue active)",
		"smtpd" + pid(4000) + "disconnect from " + host + "[" + ip + "] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
	}
	to := ": to=<user" + strconv.Itoa(i%300) + "@" + domain + ">, relay=mx." + domain + "[198.51.100.7]:25, delay=1.2, delays=0.1/0.01/0.5/0.59, dsn="
	switch i % 10 {
	case 1, 4, 7:
		return append(m, "smtp"+pid(4200)+id+to+"4.7.1, status=deferred (host mx."+domain+"[198.51.100.7] said: 451 4.7.1 Greylisted, please try again in "+strconv.Itoa(i%300)+" seconds (in reply to RCPT TO command))")
	case 9:
		return append(m, "smtp"+pid(4200)+id+to+"5.1.1, status=bounced (host mx."+domain+"[198.51.100.7] said: 550 5.1.1 User unknown (in reply to RCPT TO command))",
			"bounce"+pid(4300)+id+": sender non-delivery notification: "+id[:len(id)-1]+"0",
			"qmgr[812]: "+id+": removed")
	}
	return append(m, "smtp"+pid(4200)+id+to+"2.0.0, status=sent (250 2.0.0 Ok: queued as "+id[:len(id)-1]+"1)",
		"qmgr[812]: "+id+": removed")
}

// ticks takes the series and keeps nothing.
type ticks struct{ n int }

func (t *ticks) Append(mta.Tick) error { t.n++; return nil }
func (*ticks) Trouble() error          { return nil }

func (t *ticks) Last() time.Time { return time.Time{} }

// BenchmarkBelt takes a log through all stages, in batches as tail makes
// them. "ticks" is a log so sparse that every few lines close a tick.
func BenchmarkBelt(b *testing.B) {
	for _, bm := range []struct {
		name    string
		pace    time.Duration
		history bool
	}{{"lines", 20 * time.Millisecond, false}, {"history", 20 * time.Millisecond, true}, {"ticks", 20 * time.Second, true}} {
		b.Run(bm.name, func(b *testing.B) {
			const messages = 5000
			log := benchLog(messages, bm.pace)
			b.SetBytes(int64(len(log)))
			b.ReportAllocs()
			for b.Loop() {
				cfg, store := Config{Adapters: all.Adapters(), Year: 2026}, &ticks{}
				if bm.history {
					cfg.History = store
				}
				b.StopTimer() // the rules of the classifier are built once in the life of a process
				belt := New(cfg)
				belt.SetInstances(instances)
				b.StartTimer()
				for text := log; text != ""; {
					n := strings.LastIndexByte(text[:min(len(text), 64<<10)], '\n') + 1
					if err := belt.Batch(context.Background(), tail.Batch{Source: logPath, Text: text[:n], Ref: noon}); err != nil {
						b.Fatal(err)
					}
					text = text[n:]
				}
				if c := belt.sources[logPath].counts; c.Unknown+c.Malformed > 0 || c.Parsed < 6*messages {
					b.Fatalf("the log was not understood: %+v", c)
				}
			}
		})
	}
}
