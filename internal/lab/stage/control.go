package stage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrNoLab says that no lab runs in a directory.
var ErrNoLab = errors.New("no lab runs there")

// controlFile is the name of the socket on which a lab takes orders. The run
// directory is open to its own user alone.
const controlFile = "lab.sock"

const orderTime = 30 * time.Second

// control takes orders until ctx ends: a line "VERB NAME" each, answered by a
// line "ok" or by what is wrong.
func (s *Stage) control(ctx context.Context) error {
	name := filepath.Join(s.Site.RunDir(), controlFile)
	_ = os.Remove(name) // of a lab that was killed; the lock says that none runs
	l, err := net.Listen("unix", name)
	if err != nil {
		return fmt.Errorf("take orders: %w; a shorter --base may help", err)
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			return nil
		}
		s.order(c)
	}
}

func (s *Stage) order(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(orderTime))
	line, err := bufio.NewReader(io.LimitReader(c, 1000)).ReadString('\n')
	if err != nil {
		return
	}
	answer := "ok"
	if err := s.obey(strings.Fields(line)); err != nil {
		answer = err.Error()
	}
	_, _ = fmt.Fprintln(c, strings.ReplaceAll(answer, "\n", "; "))
}

func (s *Stage) obey(words []string) error {
	if len(words) == 2 {
		switch words[0] {
		case "start":
			return s.Start(words[1])
		case "stop":
			return s.Stop(words[1])
		}
	}
	return fmt.Errorf("there is no such order: %.60q", strings.Join(words, " "))
}

func unknownDaemon(name string) error {
	return fmt.Errorf("there is no daemon %.60q: the daemons are %s", name, strings.Join(Daemons(), " and "))
}

// Runs gives ErrNoLab when no lab runs in a directory: another may have its
// ports by now.
func Runs(ctx context.Context, base string) error {
	c, err := dialLab(ctx, base)
	if err == nil {
		_ = c.Close()
	}
	return err
}

func dialLab(ctx context.Context, base string) (net.Conn, error) {
	d := net.Dialer{Timeout: orderTime}
	c, err := d.DialContext(ctx, "unix", filepath.Join(base, "run", controlFile))
	if err != nil {
		return nil, fmt.Errorf("%s: %w; start one with `mtawatch lab --base %s`", base, ErrNoLab, base)
	}
	return c, nil
}

// Order gives the lab that runs in a directory an order: "start" or "stop",
// and the name of a daemon. ErrNoLab when there is none.
func Order(ctx context.Context, base string, words ...string) error {
	c, err := dialLab(ctx, base)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(orderTime))
	if _, err := fmt.Fprintln(c, strings.Join(words, " ")); err != nil {
		return fmt.Errorf("order the lab: %w", err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return fmt.Errorf("order the lab: %w", err)
	}
	if line = strings.TrimSpace(line); line != "ok" {
		return errors.New(line)
	}
	return nil
}
