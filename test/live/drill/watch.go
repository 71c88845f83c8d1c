//go:build linux

package drill

import board "github.com/mtawatch/mtawatch/internal/lab/drill"

// Row is one line of the scoreboard, the same as of the practice MTA's drills.
type Row = board.Row

// expect says what of the drill is right.
func (d *Drill) expect() board.Expect {
	return board.Expect{Name: d.Name, Codes: d.Codes, Reason: d.Reason, Also: d.Also, Limit: d.Limit}
}
