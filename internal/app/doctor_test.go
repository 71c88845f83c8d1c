package app

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/mtawatch/mtawatch/internal/config"
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
		{"not permitted", mta.Instance{QueueDir: "/q"}, fmt.Errorf("count queue: %w", fs.ErrPermission), "run as root"},
		{"no such directory", mta.Instance{QueueDir: "/q"}, fmt.Errorf("count queue: %w", fs.ErrNotExist), "queue_dir"},
		{"never started", mta.Instance{QueueDir: "/q", NeverRan: true}, fmt.Errorf("count queue: %w", fs.ErrNotExist), "start the mail server"},
		{"another", mta.Instance{QueueDir: "/q"}, fmt.Errorf("count queue: input/output error"), "disk"},
		{"nobody knows where", mta.Instance{MTA: "postfix"}, errors.New("the queue directory is unknown"), "set `queue_dir:` and `config_dir:` of the instance"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := (&doctor{}).countAdvice(tt.in, tt.err)
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

// TestRights: what is advised opens the file as it is.
func TestRights(t *testing.T) {
	const nobodys = 987654 // a number without a name
	owned := func(mode fs.FileMode, gid uint32) *fstest.MapFile {
		return &fstest.MapFile{Mode: mode, Sys: &syscall.Stat_t{Uid: nobodys, Gid: gid}}
	}
	files := fstest.MapFS{"log": owned(0o755|fs.ModeDir, 0), "log/group": owned(0o640, nobodys), "log/mine": owned(0o600, nobodys), "log/roots": owned(0o600, 0),
		"log/rootgroup": owned(0o640, 0), "log/link": {Mode: fs.ModeSymlink | 0o777, Data: []byte("group")}, "log/loop": {Mode: fs.ModeSymlink | 0o777, Data: []byte("loop")},
		"queue": owned(0o750|fs.ModeDir, nobodys), "open": owned(0o755|fs.ModeDir, nobodys), "roots": owned(0o750|fs.ModeDir, 0)}
	tests := []struct {
		path, want, without string
	}{
		{"/log/group", "usermod -aG of number 987654 USER", "setfacl"},
		{"/log/link", "/log/group is open to that group", "setfacl"},
		{"/log/loop", "CAP_DAC_READ_SEARCH", "usermod"},
		{"/log/mine", "run it as number 987654; or open it to the group", "setfacl"},
		{"/log/roots", "`setfacl -m u:USER:r /log/roots`", "usermod -aG root"},
		{"/log/rootgroup", "`setfacl -m u:USER:r /log/rootgroup`", "usermod -aG root"},
		{"/queue/q", "/queue is open to that group", "setfacl"},
		{"/open/q", "the owner of /open", "usermod"},
		{"/roots/q", "/roots is closed to all but number 987654 and the group root: give mtawatch CAP_DAC_READ_SEARCH", "usermod"},
	}
	for _, tt := range tests {
		if got := rights(files, tt.path); !strings.Contains(got, tt.want) || strings.Contains(got, tt.without) {
			t.Errorf("%s: %s", tt.path, got)
		}
	}
}

// TestLogAdvice: advice fits why a log cannot be read, and who asks.
func TestLogAdvice(t *testing.T) {
	s := &Source{cfg: config.Config{Instances: []config.Instance{{Name: "out", LogFile: "/named.log"}}}}
	gone := fmt.Errorf("open log: %w", fs.ErrNotExist)
	tests := []struct {
		name string
		root bool
		path string
		err  error
		want string
	}{
		{"the path that is named is not there", false, "/named.log", gone, "check the path under `log_file:`"},
		{"one that was found is not there", false, "/found.log", gone, "it comes with the mail server's first line"},
		{"root is refused", true, "/found.log", fmt.Errorf("open log: %w", fs.ErrPermission), "runs as root and is refused all the same"},
		{"another", false, "/named.log", errors.New("input/output error"), "see the disk"},
	}
	for _, tt := range tests {
		d := doctor{s: s, root: tt.root}
		if got := d.logAdvice(mta.Instance{Name: "out"}, mta.LogSource{Path: tt.path}, tt.err); !strings.HasPrefix(strings.TrimPrefix(got, "mtawatch "), tt.want) {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
	if got := (&doctor{root: true}).countAdvice(mta.Instance{QueueDir: "/q"}, fs.ErrPermission); got != rootRefused {
		t.Errorf("count as root: %s", got)
	}
	if got := whatIs(mta.Instance{MTA: "postfix"}); got != "postfix, configuration unknown, queue unknown" {
		t.Error(got)
	}
}
