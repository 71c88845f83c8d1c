package app

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestCountAdvice: only what permission can mend is answered with rights.
func TestCountAdvice(t *testing.T) {
	tests := []struct {
		name string
		in   mta.Instance
		err  error
		want string
	}{
		{"not permitted", mta.Instance{}, fmt.Errorf("count queue: %w", fs.ErrPermission), "run as root"},
		{"no such directory", mta.Instance{}, fmt.Errorf("count queue: %w", fs.ErrNotExist), "queue_dir"},
		{"never started", mta.Instance{NeverRan: true}, fmt.Errorf("count queue: %w", fs.ErrNotExist), "start the mail server"},
		{"another", mta.Instance{}, fmt.Errorf("count queue: input/output error"), "disk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := countAdvice(tt.in, tt.err)
			if !strings.Contains(got, tt.want) || strings.Contains(got, "as root") != (tt.want == "run as root") {
				t.Errorf("advice %q", got)
			}
		})
	}
}

// TestStateText: what the server's files tell is said, not only counted.
func TestStateText(t *testing.T) {
	none := stateText(nil)
	some := stateText([]mta.Condition{{Text: "the channel l is stopped"}, {Text: "the return job has not run"}})
	if !strings.Contains(none, "nothing") || !strings.HasSuffix(some, "the channel l is stopped; the return job has not run") {
		t.Errorf("%q, %q", none, some)
	}
}
