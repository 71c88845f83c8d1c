package say

import (
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/view"
)

func TestHeadline(t *testing.T) {
	long := view.Unseen{What: "queue of postfix", Why: "count queue of postfix: count queue in /q: open /q/hold: permission denied"}
	if got, want := unseenText(long), "queue of postfix: open /q/hold: permission denied"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := unseenText(view.Unseen{What: "x", Why: strings.Repeat("y ", 200)}); Width(got) > HeadlineWidth {
		t.Errorf("%d columns: %q", Width(got), got)
	}
}
