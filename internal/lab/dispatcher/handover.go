package dispatcher

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What dispatcher and worker tell each other, a byte a message, over a pair of
// Unix sockets that keep messages apart. The end of the stream tells a worker
// that nothing more comes and that it ends with its last session, whether the
// dispatcher wants that or is dead; and the dispatcher that the worker is.
const (
	msgConnection = 'C' // to the worker, with the socket of a client
	msgEnded      = 'E' // from the worker: a session has ended
	msgClosing    = 'X' // from the worker: it takes no more
)

// inboxFD is where a worker finds its end of the pair.
const inboxFD = 3

// handoverPatience is how long a worker may leave its inbox full.
const handoverPatience = 5 * time.Second

// newPair makes the two ends: ours, and the file that the worker gets.
func newPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "inbox")
	conn, err := unixConn(os.NewFile(uintptr(fds[0]), "outbox"))
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn, theirs, nil
}

// unixConn takes over a file that is a Unix socket.
func unixConn(f *os.File) (*net.UnixConn, error) {
	defer f.Close() // FileConn has its own descriptor
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", f.Name(), err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("use %s: no Unix socket", f.Name()), c.Close())
	}
	return u, nil
}

// send gives a client's socket to a worker. Ours stays open.
func send(to *net.UnixConn, client syscall.Conn) error {
	raw, err := client.SyscallConn()
	if err != nil {
		return err
	}
	if err := to.SetWriteDeadline(time.Now().Add(handoverPatience)); err != nil {
		return err
	}
	var werr error
	err = raw.Control(func(fd uintptr) {
		_, _, werr = to.WriteMsgUnix([]byte{msgConnection}, unix.UnixRights(int(fd)), nil)
	})
	return errors.Join(err, werr)
}

// Inbox is where a worker gets its clients from: a net.Listener.
type Inbox struct {
	conn     *net.UnixConn
	sessions sync.WaitGroup
}

// OpenInbox is for a process that the dispatcher has started.
func OpenInbox() (*Inbox, error) {
	var st unix.Stat_t
	if err := unix.Fstat(inboxFD, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, errors.New("open inbox: there is none: this program is started by the dispatcher")
	}
	unix.CloseOnExec(inboxFD)
	conn, err := unixConn(os.NewFile(inboxFD, "inbox"))
	if err != nil {
		return nil, fmt.Errorf("open inbox: %w", err)
	}
	return &Inbox{conn: conn}, nil
}

// Accept waits for the next client. io.EOF: there will be none, for the
// dispatcher wants the process to end, or is gone.
func (b *Inbox) Accept() (net.Conn, error) {
	var msg [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := b.conn.ReadMsgUnix(msg[:], oob)
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil, err
		case err != nil || n == 0:
			return nil, io.EOF
		case msg[0] != msgConnection:
			continue
		}
		c, err := received(oob[:oobn])
		if err != nil {
			b.ended() // the client is gone: count it out again
			continue
		}
		b.sessions.Add(1)
		return &session{Conn: c, inbox: b}, nil
	}
}

var errNoSocket = errors.New("a message without a socket") // the kernel had no descriptor for us

// received takes the socket out of a message.
func received(oob []byte) (net.Conn, error) {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, errNoSocket
	}
	fds, err := unix.ParseUnixRights(&list[0])
	if err != nil {
		return nil, err
	}
	if len(fds) != 1 {
		return nil, errNoSocket
	}
	f := os.NewFile(uintptr(fds[0]), "client")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	if client, ok := c.(*net.TCPConn); ok {
		_ = client.SetKeepAlive(false) // package net has turned it on; see listen
	}
	return c, nil
}

// ended tells the dispatcher, who may be gone.
func (b *Inbox) ended() { _, _ = b.conn.Write([]byte{msgEnded}) }

// Wait returns when all sessions have ended. Accept must not run any more.
func (b *Inbox) Wait() { b.sessions.Wait() }

// Close ends Accept, once what is in the inbox has been taken: the dispatcher
// can put no more into it.
func (b *Inbox) Close() error {
	_, _ = b.conn.Write([]byte{msgClosing}) // to who may be gone
	return b.conn.CloseRead()
}

// Addr is the inbox's own.
func (b *Inbox) Addr() net.Addr { return b.conn.LocalAddr() }

// session is a client's connection, whose end is told once.
type session struct {
	net.Conn
	inbox *Inbox
	once  sync.Once
}

// Close closes the connection and tells the dispatcher that there is room.
func (s *session) Close() error {
	err := s.Conn.Close()
	s.once.Do(func() {
		s.inbox.ended()
		s.inbox.sessions.Done()
	})
	return err
}
