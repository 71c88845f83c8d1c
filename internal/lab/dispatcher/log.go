package dispatcher

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The levels of a line of the log.
const (
	levelNotice   = "Notice"
	levelWarning  = "Warning"
	levelError    = "Error"
	levelCritical = "Critical"
)

// eventLog writes dispatcher.log-ID in the form of the Messaging Server's
// service logs:
//
//	[dd/Mon/yyyy:hh:mm:ss +hhmm] host dispatcher[pid]: General Notice: text
type eventLog struct {
	host string
	id   string // of the file
	mu   sync.Mutex
	file *os.File
}

// openLog makes a new log; its name ends in a word that no other has.
func openLog(dir, program, host string) (*eventLog, error) {
	if host == "" {
		host = "localhost"
	}
	id := strings.ToUpper(strconv.FormatInt(time.Now().UnixNano(), 36))
	name := filepath.Join(dir, program+".log-"+id)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &eventLog{host: host, id: id, file: f}, nil
}

// sibling names another log of the same run.
func (l *eventLog) sibling(program string) string { return program + ".log-" + l.id }

func (l *eventLog) line(level, format string, a ...any) {
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, fmt.Sprintf(format, a...))
	l.mu.Lock()
	defer l.mu.Unlock()
	// A log that cannot be written must not stop the service.
	_, _ = fmt.Fprintf(l.file, "[%s] %s dispatcher[%d]: General %s: %s\n",
		time.Now().Format("02/Jan/2006:15:04:05 -0700"), l.host, os.Getpid(), level, text)
}
