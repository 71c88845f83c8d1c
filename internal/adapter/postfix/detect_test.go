package postfix

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/adapter/adaptertest"
)

// TestDetectElsewhere: a machine whose only Postfix runs in a container has
// no instance, and the operator is told where to look.
func TestDetectElsewhere(t *testing.T) {
	h, err := adaptertest.NewHost(txtar.Parse([]byte(`-- proc --
{"pid":5,"ppid":1,"name":"master","exe":"/usr/lib/postfix/sbin/master","cwd":"/var/spool/postfix","uid":0,"state":"S","foreign":true}
`)))
	if err != nil {
		t.Fatal(err)
	}
	list, err := detect(t.Context(), h)
	if len(list) != 0 || err == nil || !strings.Contains(err.Error(), "run mtawatch there") {
		t.Errorf("detect: %v, %v", list, err)
	}
}

// TestStrayMaster: rights are advised only where they were missing, and no
// master is to be stopped that may not be the configuration's own.
func TestStrayMaster(t *testing.T) {
	const proc = `-- proc --
{"pid":5,"ppid":1,"name":"master","exe":"/usr/lib/postfix/sbin/master","cwd":"/srv/q","uid":0,"state":"S"}
`
	tests := []struct {
		name, sections string
		want           string
		root           bool
	}{
		{"not permitted", "-- denied/proc/5/environ --\n", "alternate_config_directories", true},
		{"not told", "-- file/proc/5/environ --\nPATH=/bin\\0\n", "config_dir of an instance", false},
		{"another queue directory", "-- file/etc/postfix/main.cf --\n-- file/proc/5/environ --\nMAIL_CONFIG=/etc/postfix\\0\n", "if queue_directory was changed while it ran", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := adaptertest.NewHost(txtar.Parse([]byte(tt.sections + proc)))
			if err != nil {
				t.Fatal(err)
			}
			list, err := detect(t.Context(), h)
			if err != nil || len(list) != 1 {
				t.Fatalf("detect: %d instances, %v", len(list), err)
			}
			note := ""
			for _, n := range list[0].Notes {
				if strings.HasPrefix(n, "master 5 works in /srv/q") {
					note = n
				}
			}
			if !strings.Contains(note, tt.want) || strings.Contains(note, "as root") != tt.root {
				t.Errorf("note %q", note)
			}
		})
	}
}
