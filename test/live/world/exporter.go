//go:build linux

package world

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// ExporterTools lists what Exporter needs.
func ExporterTools() []Tool {
	return []Tool{{"prometheus-postfix-exporter", "prometheus-postfix-exporter"}}
}

// Exporter is Debian's prometheus-postfix-exporter, to compare with.
type Exporter struct {
	Log string // the file that it follows, empty at first
	s   *service
}

// exporterURL is where it serves.
const exporterURL = "http://127.0.0.1:9154/metrics"

// Exporter starts one that reads the queue of p.
func (b *Box) Exporter(p *Postfix) (*Exporter, error) {
	dir, err := b.TempDir("exporter")
	if err != nil {
		return nil, err
	}
	x := &Exporter{Log: filepath.Join(dir, "mail.log")}
	if err := os.WriteFile(x.Log, nil, 0o644); err != nil {
		return nil, err
	}
	x.s, err = startService(exec.Command("prometheus-postfix-exporter", "--web.listen-address=127.0.0.1:9154",
		"--postfix.logfile_path="+x.Log, "--postfix.showq_path="+filepath.Join(p.QueueDir, "public/showq")))
	if err != nil {
		return nil, err
	}
	err = within(20*time.Second, func() error {
		_, err := x.Metrics()
		return err
	})
	if err != nil {
		x.Stop()
		return nil, fmt.Errorf("start prometheus-postfix-exporter: %w", err)
	}
	return x, nil
}

// Append adds text to the log that it follows.
func (x *Exporter) Append(text string) error {
	f, err := os.OpenFile(x.Log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// Metrics reads what it serves.
func (x *Exporter) Metrics() (Metrics, error) {
	c := http.Client{Timeout: 10 * time.Second}
	r, err := c.Get(exporterURL)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return readMetrics(b)
}

// Stop ends it.
func (x *Exporter) Stop() { x.s.stop() }
