package site

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main is the frame of a program whose own path tells its site: it runs until
// it is done, or SIGTERM or SIGINT ends its context. What it cannot do is told
// on stderr after its name. It gives the exit status.
func Main(ctx context.Context, name string, stderr io.Writer, run func(ctx context.Context, s *Site) (status int, err error)) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	s, err := Open(BaseOf(os.Args[0]))
	status := 1
	if err == nil {
		status, err = run(ctx, s)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 1
	}
	return status
}
