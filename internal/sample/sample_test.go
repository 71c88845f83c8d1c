package sample

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/adapter/adaptertest"
	"github.com/mtawatch/mtawatch/internal/adapter/postfix"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func machine(t *testing.T, sections string) *adaptertest.Host {
	t.Helper()
	h, err := adaptertest.NewHost(txtar.Parse([]byte(sections)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestListLeavesOut: the queues that the listing never shows are not shown
// as empty.
func TestListLeavesOut(t *testing.T) {
	h := machine(t, `-- file/etc/postfix/main.cf --
mail_version = 3.7.11
-- dial/var/spool/postfix/public/showq --
protocol\0mail_queue_list_protocol\0\0
queue_name\0hold\0queue_id\04jYBf76JyJz2y\0time\01795452367\0size\0367\0forced_expire\00\0sender\0a@example.com\0recipient\0c@example.net\0reason\0\0\0\0
`)
	found, err := postfix.Adapter.Detect(t.Context(), h)
	if err != nil || len(found) != 1 {
		t.Fatalf("detect: %d instances, %v", len(found), err)
	}
	_, q, err := List(t.Context(), h, &postfix.Adapter, found[0], noon)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, c := range q.Queues {
		got[c.Name] = c.Messages
	}
	want := map[string]int64{"maildrop": 0, "incoming": 0, "active": 0, "deferred": 0, "hold": 1} // corrupt: unknown
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("queues (got -, want +):\n%s", diff)
	}
}
