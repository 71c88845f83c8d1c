package genlog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const recorded = `Nov 23 12:00:00 mta postfix/smtpd[7]: 4jY56v5z7HzKL6: client=unknown[192.0.2.1]
Nov 23 12:00:01 mta postfix/cleanup[8]: 4jY56v5z7HzKL6: message-id=<20261123120000.4jY56v5z7HzKL6@mta.example.com>
no stamp here
Nov 23 12:00:09 mta postfix/qmgr[9]: 4jY56v5z7HzKL6: removed
`

func TestWrite(t *testing.T) {
	l, err := Parse(recorded, 2026)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	n, err := l.Write(&b, 400, time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(b.Len()) || n < 400 {
		t.Errorf("Write gave %d of %d bytes, want at least 400", n, b.Len())
	}
	// 10 s later: ten more in the sixth digit, v is the 48th of 52.
	want := `Nov 23 12:00:00 mta postfix/smtpd[7]: 4jY56v5z7HzKL6: client=unknown[192.0.2.1]
Nov 23 12:00:01 mta postfix/cleanup[8]: 4jY56v5z7HzKL6: message-id=<20261123120000.4jY56v5z7HzKL6@mta.example.com>
Nov 23 12:00:09 mta postfix/qmgr[9]: 4jY56v5z7HzKL6: removed
Nov 23 12:00:10 mta postfix/smtpd[7]: 4jY5755z7HzKL6: client=unknown[192.0.2.1]
Nov 23 12:00:11 mta postfix/cleanup[8]: 4jY5755z7HzKL6: message-id=<20261123120000.4jY5755z7HzKL6@mta.example.com>
`
	if diff := cmp.Diff(b.String(), want); diff != "" {
		t.Errorf("Write (got -, want +):\n%s", diff)
	}
}

func TestParseNothing(t *testing.T) {
	if _, err := Parse("nothing\n", 2026); err == nil {
		t.Error("Parse of text without a log line gave no error")
	}
}
