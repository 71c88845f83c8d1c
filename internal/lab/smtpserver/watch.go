package smtpserver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// watched is a client's connection on which commands and replies are seen as
// they pass, for what the library keeps to itself: bad commands, and how a
// session ended. After STARTTLS there is nothing to see.
type watched struct {
	net.Conn
	bad     func(command, reply string) // a command was refused for its form
	message time.Duration               // for the data of one message

	mu      sync.Mutex
	pending []byte // read, and of no command yet that was answered
	state   watchState
	tail    []byte // of the data: the last bytes, to find its end
	skip    int    // bytes of a BDAT chunk to come
	last    string // the last whole reply
	failure error  // the last error of reading
	broken  bool   // too much has come to be followed
	dropped bool   // the connection is closed after this reply
	haste   bool   // it ends before the next command
	inText  bool   // a message is being taken, by DATA or BDAT
}

type watchState int

const (
	inCommands watchState = iota
	inSecret              // the next line answers AUTH's challenge
	inData
	afterData // the next reply is to the data
	inTLS
)

const maxPending = 8 << 10 // the library reads no more ahead than its buffer

// shutdown is said to a session that must end.
const shutdown = "421 4.3.2 Service shutting down"

// hasten ends the session before its next command.
func (w *watched) hasten() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.haste = true
	if !w.inText {
		_ = w.SetReadDeadline(time.Now()) // who waits in Read hears of it
	}
}

// hurried says whether the session ends now, and tells the client. w.mu is held.
func (w *watched) hurried() bool {
	if !w.haste || w.inText {
		return false
	}
	w.failure = net.ErrClosed
	if w.state != inTLS && w.last != shutdown {
		w.last = shutdown
		_ = w.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(w.Conn, shutdown+"\r\n")
	}
	return true
}

// text says that a message is being taken, or that it has been.
func (w *watched) text(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inText = on
}

// Read passes on what the client says.
func (w *watched) Read(p []byte) (int, error) {
	w.mu.Lock()
	ends := w.hurried()
	w.mu.Unlock()
	if ends {
		return 0, io.EOF
	}
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	if n == 0 && w.hurried() {
		return 0, io.EOF
	}
	if err != nil {
		w.failure = err
	}
	if w.state != inTLS && !w.broken && n > 0 {
		w.heard(p[:n])
	}
	return n, err
}

func (w *watched) heard(p []byte) {
	w.pending = append(w.pending, p...)
	w.consume()
	if len(w.pending) > maxPending {
		w.broken, w.pending = true, nil
	}
}

// consume takes data and chunks, which nobody answers line by line, from what
// is pending.
func (w *watched) consume() {
	n := min(w.skip, len(w.pending))
	w.skip -= n
	w.pending = w.pending[n:]
	if w.state != inData || w.skip > 0 {
		return
	}
	// The end may lie across two reads: the tail is searched with them.
	text := append(w.tail, w.pending...)
	if i := bytes.Index(text, []byte("\r\n.\r\n")); i >= 0 {
		w.pending = append([]byte(nil), text[i+5:]...)
		w.tail, w.state = nil, afterData
		return
	}
	w.tail = append([]byte(nil), text[max(0, len(text)-4):]...)
	w.pending = w.pending[:0]
}

// Write passes on what we say: each time one whole reply.
func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.mu.Lock()
	bad, command, reply := w.said(p)
	drop := w.dropped
	w.mu.Unlock()
	if bad && w.bad != nil {
		w.bad(command, reply)
	}
	if drop && err == nil {
		err = w.Close()
	}
	return n, err
}

// said follows a reply: bad says that it refuses a command for its form.
func (w *watched) said(p []byte) (bad bool, command, reply string) {
	if w.state == inTLS || len(p) < 4 || p[3] != ' ' {
		return false, "", ""
	}
	for _, c := range p[:3] {
		if c < '0' || c > '9' {
			return false, "", ""
		}
	}
	first := w.last == ""
	w.last = string(bytes.TrimRight(p, "\r\n"))
	code := w.last[:3]
	w.dropped = code == "421"
	if first || w.broken || w.skip > 0 || w.state == inData {
		return false, "", "" // the greeting; or something is said while data comes in
	}
	if w.state == afterData {
		w.state = inCommands
		return false, "", ""
	}
	secret := w.state == inSecret
	w.state = inCommands
	line, ok := w.line()
	if !ok {
		return false, "", "" // another reply to the same command, or to the end of data
	}
	switch {
	case code == "334":
		w.state = inSecret
	case code == "354":
		w.state, w.tail = inData, []byte("\r\n")
	case code == "220":
		w.state, w.pending = inTLS, nil
		return false, "", ""
	case len(line) > 5 && bytes.EqualFold(line[:5], []byte("BDAT ")):
		f := bytes.Fields(line[5:])
		if len(f) > 0 {
			w.skip, _ = strconv.Atoi(string(f[0])) // what is no number has no chunk
			w.skip = max(0, w.skip)
		}
	}
	w.consume()
	switch code {
	case "500", "501", "502", "503", "504":
		if secret {
			return false, "", ""
		}
		if len(line) >= 4 && bytes.EqualFold(line[:4], []byte("AUTH")) {
			line = line[:4] // a secret may follow
		}
		return true, string(line), w.last
	}
	return false, "", ""
}

// line takes the next command from what is pending.
func (w *watched) line() ([]byte, bool) {
	i := bytes.IndexByte(w.pending, '\n')
	if i < 0 {
		return nil, false
	}
	line := bytes.TrimRight(w.pending[:i], "\r\n")
	w.pending = w.pending[i+1:]
	return line, true
}

// verb gives the command that is being answered, in capitals; "" when it
// cannot be seen.
func (w *watched) verb() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state != inCommands || len(w.pending) < 4 {
		return ""
	}
	return string(bytes.ToUpper(w.pending[:4]))
}

// dataBegins gives the client its time for a message, whatever it takes of it
// at once.
func (w *watched) dataBegins() { _ = w.SetReadDeadline(time.Now().Add(w.message)) }

// ended says how the session came to its end; "" as it should.
func (w *watched) ended() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.haste && errors.Is(w.failure, net.ErrClosed):
		return "closed: " + shutdown
	case w.state != inTLS && len(w.last) > 3 && w.last[:3] == "221":
		return ""
	case errors.Is(w.failure, os.ErrDeadlineExceeded):
		return "timed out waiting for the client"
	case errors.Is(w.failure, io.EOF) && w.state == inTLS:
		return ""
	case errors.Is(w.failure, io.EOF):
		return "connection closed by the client"
	case w.failure != nil && !errors.Is(w.failure, net.ErrClosed):
		return "connection lost"
	case len(w.last) > 3 && (w.last[0] == '4' || w.last[0] == '5'):
		return "closed: " + w.last
	}
	return ""
}
