package stage

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// StartMsg is the program start-msg: it has the lab start the daemons that are
// named, or both. Its own path tells the site.
func StartMsg(ctx context.Context, args []string, _ io.Reader, _, stderr io.Writer) int {
	return orders(ctx, "start", args, stderr)
}

// StopMsg is the program stop-msg, likewise.
func StopMsg(ctx context.Context, args []string, _ io.Reader, _, stderr io.Writer) int {
	return orders(ctx, "stop", args, stderr)
}

func orders(ctx context.Context, verb string, names []string, stderr io.Writer) (status int) {
	if len(names) == 0 {
		names = Daemons()
	}
	for _, name := range names {
		if err := Order(ctx, site.BaseOf(os.Args[0]), verb, name); err != nil {
			_, _ = fmt.Fprintf(stderr, "%s-msg: %v\n", verb, err)
			status = 1
		}
	}
	return status
}
