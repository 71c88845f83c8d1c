package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// Main is the program job_controller. It needs no arguments: its own path
// tells the site. It works until SIGTERM or SIGINT.
func Main(ctx context.Context, _ []string, _ io.Reader, _, stderr io.Writer) int {
	return site.Main(ctx, "job_controller", stderr, func(ctx context.Context, s *site.Site) (int, error) { return 0, Run(ctx, s) })
}

// Run is the controller of a site until ctx ends. There can be one: a second
// finds its port taken.
func Run(ctx context.Context, s *site.Site) error {
	log, err := newLog(s)
	if err != nil {
		return err
	}
	defer log.file.Close()
	l, err := listen(ctx, Address(s))
	if err != nil {
		log.error("listen: %v: is another job controller running?", err)
		return fmt.Errorf("start job controller: %w", err)
	}
	return newController(s, log).run(ctx, l)
}

// listen opens the port. One that was killed while it started a program leaves
// its port taken for as long as that takes: a short wait tells it from one that
// runs.
func listen(ctx context.Context, address string) (net.Listener, error) {
	for try := 0; ; try++ {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || try == 20 {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// logFile is job_controller.log-ID: made at the start and empty as long as
// nothing is wrong.
type logFile struct {
	mu   sync.Mutex
	file *os.File
}

func newLog(s *site.Site) (*logFile, error) {
	id := strconv.FormatInt(time.Now().UnixMilli(), 36)
	f, err := os.OpenFile(filepath.Join(s.LogDir(), "job_controller.log-"+id), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &logFile{file: f}, nil
}

// error writes a line. There is nobody to tell that it could not.
func (l *logFile) error(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.file, "%s "+format+"\n", append([]any{time.Now().Format("02-Jan-2006 15:04:05.00")}, args...)...)
}

// returnFile is touched when the return job was started last.
func returnFile(s *site.Site) string { return filepath.Join(s.RunDir(), "return.last") }

// midnight is the last one before a time: that of the place, or for a practice
// day of another length the last whole number of days since 1970.
func midnight(now time.Time, day time.Duration) time.Time {
	if day == 24*time.Hour {
		return time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	}
	return now.Truncate(day)
}

// returnJob starts the return job when a midnight has passed since it was
// started last, also one that passed while no controller was there.
func (c *controller) returnJob(now time.Time) {
	if c.returning || c.site.Practice.Day <= 0 {
		return
	}
	st, err := os.Stat(returnFile(c.site))
	switch {
	case err == nil && !st.ModTime().Before(midnight(now, c.site.Practice.Day)):
		return
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		c.log.error("look up the last return job: %v", err)
		return
	}
	first := err != nil
	if err := os.WriteFile(returnFile(c.site), []byte(now.Format(time.RFC3339)+"\n"), 0o600); err != nil {
		c.log.error("note the start of the return job: %v", err)
		return
	}
	if first {
		return // a new site has nothing to return
	}
	cmd := exec.Command(c.site.Program("return"))
	cmd.Stderr = c.log.file
	if err := cmd.Start(); err != nil {
		c.log.error("start the return job: %v", err)
		return
	}
	c.returning = true
	go func() {
		err := cmd.Wait()
		c.events <- func(time.Time) {
			c.returning = false
			if err != nil {
				c.log.error("return job: %v", err)
			}
		}
	}()
}
