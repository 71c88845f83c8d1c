//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/bench/genlog"
	"github.com/mtawatch/mtawatch/test/sim"
)

// The one message that trace looks for.
const (
	tracedID        = "4jY56v0000zBCDF"
	tracedMessageID = "20261123120000.4711@bench.example"
	tracedTo        = "needle@haystack.example"
	tracedLines     = ` mx postfix/smtpd[4711]: ` + tracedID + `: client=client.bench.example[192.0.2.10]
 mx postfix/cleanup[4712]: ` + tracedID + `: message-id=<` + tracedMessageID + `>
 mx postfix/qmgr[4713]: ` + tracedID + `: from=<alice@bench.example>, size=1234, nrcpt=1 (queue active)
 mx postfix/smtp[4714]: ` + tracedID + `: to=<` + tracedTo + `>, relay=mx.haystack.example[192.0.2.7]:25, delay=0.5, delays=0.1/0/0.2/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok)
 mx postfix/qmgr[4713]: ` + tracedID + `: removed
`
)

// tracedPieces is how many logs of a day each there are.
const tracedPieces = 10

// trace measures how long one message is looked for in ten rotated logs of
// BENCH_BYTES together, all but the newest two compressed.
func (r *bench) trace() error {
	want, err := size("BENCH_BYTES", 1<<30)
	if err != nil {
		return err
	}
	l, err := r.record()
	if err != nil {
		return err
	}
	dir := filepath.Join(r.dir, "trace")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	n, err := rotatedLogs(l, dir, want)
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "trace.yaml")
	text := fmt.Sprintf("detect: false\ndata_dir: %s/data\ninstances:\n  - {mta: postfix, name: postfix, log_file: %s/mail.log}\n", dir, dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	for _, q := range []struct{ by, text string }{{"queue id", tracedID}, {"Message-ID", "<" + tracedMessageID + ">"}, {"recipient", tracedTo}} {
		c, err := r.traceOne(config, q.text)
		if err != nil {
			return fmt.Errorf("by %s: %w", q.by, err)
		}
		r.rows = append(r.rows, row{fmt.Sprintf("trace one message by its %s in %d MB of %d rotated, gzipped logs", q.by, n/1e6, tracedPieces),
			fmt.Sprintf("%.2f s wall, %.2f s cpu; found", c.wall.Seconds(), c.cpu.Seconds()), "-", "-", "found"})
	}
	return nil
}

// traceOne asks once. Every line of the message must come, and no other.
func (r *bench) traceOne(config, text string) (cost, error) {
	var stdout bytes.Buffer
	c, err := measureInto(&stdout, r.binary, "trace", "--config", config, "--json", text)
	if err != nil {
		return c, err
	}
	steps := strings.Count(stdout.String(), "\n")
	if want := strings.Count(tracedLines, "\n"); steps != want || strings.Count(stdout.String(), `"queue_id":"`+tracedID+`"`) != want {
		return c, fmt.Errorf("%d steps, want the %d of %s", steps, want, tracedID)
	}
	return c, nil
}

// rotatedLogs writes mail.log, mail.log.1, mail.log.2.gz and so on. The
// message is in the middle of one of the middle.
func rotatedLogs(l *genlog.Log, dir string, size int64) (written int64, err error) {
	for i := range tracedPieces {
		start := time.Now().Add(-time.Duration(i+1) * 24 * time.Hour)
		name := filepath.Join(dir, "mail.log")
		if i > 0 {
			name += fmt.Sprintf(".%d", i)
		}
		n, err := oneLog(l, name, size/tracedPieces, start, i == tracedPieces/2)
		if err != nil {
			return written, err
		}
		written += n
		if i < 2 {
			continue
		}
		if err := errors.Join(sim.Compress(name, name+".gz"), os.Remove(name)); err != nil {
			return written, err
		}
	}
	return written, nil
}

func oneLog(l *genlog.Log, name string, size int64, start time.Time, needle bool) (int64, error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	half, err := l.Write(w, size/2, start)
	if err != nil {
		return half, err
	}
	later := start.Add(12 * time.Hour)
	for line := range strings.Lines(tracedLines) {
		if needle {
			fmt.Fprint(w, later.Format(time.Stamp), line)
		}
	}
	rest, err := l.Write(w, size-half, later)
	return half + rest, errors.Join(err, w.Flush())
}
