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
