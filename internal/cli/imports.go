package cli

import (
	"fmt"
	"path/filepath"

	"github.com/mtawatch/mtawatch/internal/view"
)

// importsText tells how far the reading of rotated logs has come.
func (t *tool) importsText(s *view.Status) {
	for _, i := range s.Imports {
		text := fmt.Sprintf("reading the rotated pieces of %s: %d of %d done", i.Source, i.FilesDone, i.Files)
		if i.Total > 0 {
			text += fmt.Sprintf(", %d%% of %s", min(i.Done, i.Total)*100/i.Total, bytesText(i.Total))
		}
		if i.File != "" {
			text += ", now " + filepath.Base(i.File)
		}
		if !i.Until.IsZero() {
			text += ", at " + i.Until.Local().Format("2006-01-02 15:04")
		}
		t.out.hang(15, "  "+fmt.Sprintf("%-13s", "import")+clean(text)+"; until then what is normal is known from less")
	}
}
