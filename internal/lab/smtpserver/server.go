package smtpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/mtawatch/mtawatch/internal/lab/dispatcher"
	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// Main is the program tcp_smtp_server of the base directory that its path lies
// in. The dispatcher starts it and hands it its clients; it ends with its last
// session once there are no more to come. SIGTERM is the wish of an operator
// that it end soon: see drain.
func Main(ctx context.Context, _ []string, _ io.Reader, _, stderr io.Writer) int {
	// Signals for the group are the dispatcher's; a session is not dropped for them.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	debug.SetGCPercent(200) // many processes, small each
	err := run(ctx, stderr)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "tcp_smtp_server:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, stderr io.Writer) error {
	inbox, err := dispatcher.OpenInbox()
	if err != nil {
		return err
	}
	s, err := site.Open(site.BaseOf(os.Args[0]))
	if err != nil {
		return err
	}
	v, err := New(Config{Site: s, Clients: inbox, ErrorLog: log.New(stderr, "tcp_smtp_server: ", log.LstdFlags)})
	if err != nil {
		return err
	}
	return v.Run(ctx)
}

// Clients is where a server gets its connections from. Accept gives io.EOF when
// no more will come; Wait returns when those that came have been closed.
type Clients interface {
	net.Listener
	Wait()
}

// Config says what a server works on.
type Config struct {
	Site     *site.Site
	Clients  Clients
	ErrorLog *log.Logger // for what should not happen; nil: standard error
}

// Server speaks SMTP with clients.
type Server struct {
	site    *site.Site
	clients Clients
	log     *maillog.Log
	queue   *queue.Queue
	errors  *log.Logger
	smtp    *smtp.Server
	teller  *teller

	threads atomic.Int64
	live    sessions
}

// New makes a server. It talks to nobody before Run.
func New(c Config) (*Server, error) {
	s := c.Site
	v := &Server{site: s, clients: c.Clients, log: maillog.Open(s), queue: queue.Open(s), errors: c.ErrorLog, teller: newTeller(s)}
	if v.errors == nil {
		v.errors = log.New(os.Stderr, "tcp_smtp_server: ", log.LstdFlags)
	}
	m := smtp.NewServer(smtp.BackendFunc(v.session))
	m.Domain = s.Practice.Host
	m.MaxRecipients = s.Practice.MaxRecipients
	m.MaxMessageBytes = s.Options.MaxMessageSize
	m.ReadTimeout = s.Practice.CommandTimeout
	m.WriteTimeout = time.Minute
	m.AllowInsecureAuth = true // for practice, on loopback
	m.EnableDSN = true
	m.ErrorLog = libraryLog{v.errors}
	if s.Practice.Certificate != "" {
		cert, err := tls.LoadX509KeyPair(s.Practice.Certificate, s.Practice.Key)
		if err != nil {
			return nil, fmt.Errorf("load certificate: %w; mend CERTIFICATE and KEY of practice.cnf", err)
		}
		m.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	v.smtp = m
	return v, nil
}

// Run serves clients until there are no more. The end of ctx is the end of new
// ones, and makes haste with those that there are.
func (v *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = v.clients.Close() })
	defer stop()
	done := make(chan struct{})
	go func() {
		v.teller.run()
		close(done)
	}()
	err := v.smtp.Serve(&greeter{Clients: v.clients, server: v})
	v.drain(ctx)
	v.teller.close()
	<-done
	if cerr := v.log.Close(); cerr != nil {
		v.errors.Printf("close log: %v", cerr)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// libraryLog takes what the SMTP library complains of, but not that a client
// was lost: the C record of its connection says so.
type libraryLog struct{ *log.Logger }

// Printf takes one complaint.
func (l libraryLog) Printf(format string, args ...any) {
	for _, a := range args {
		var network *net.OpError
		var noTLS tls.RecordHeaderError
		if err, ok := a.(error); ok && (errors.As(err, &network) || errors.As(err, &noTLS) || errors.Is(err, io.ErrUnexpectedEOF)) {
			return
		}
	}
	l.Logger.Printf(format, args...)
}

// greeter writes the records of connections around the sessions.
type greeter struct {
	Clients
	server *Server
}

// Accept gives the next client that may speak to us.
func (g *greeter) Accept() (net.Conn, error) {
	for {
		c, err := g.Clients.Accept()
		if err != nil {
			return nil, err
		}
		client := g.server.welcome(c)
		if client != nil {
			return client, nil
		}
	}
}

// client is one connection with all that its records have in common.
type client struct {
	*watched
	server    *Server
	local     netip.AddrPort
	remote    netip.AddrPort
	transport string
	source    string // the channel, by address; AUTH changes it
	submit    bool   // a service for users alone
	thread    int
	sequence  int // of the transaction; the session's goroutine alone counts
	bad       int
	closed    atomic.Bool
}

// welcome makes a client of a connection, or turns it away and gives nil.
func (v *Server) welcome(c net.Conn) *client {
	k := &client{server: v, thread: int(v.threads.Add(1)), source: site.ChannelInternet}
	k.watched = &watched{Conn: c, message: v.site.Practice.DataTimeout, bad: k.badCommand}
	k.local, k.remote = addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
	k.transport = maillog.Transport(k.local.Addr().String(), int(k.local.Port()), k.remote.Addr().String(), int(k.remote.Port()))
	for _, s := range v.site.Services {
		for _, p := range s.Ports {
			k.submit = k.submit || p == int(k.local.Port()) && s.Name == "SMTP_SUBMIT"
		}
	}
	if v.site.Practice.InternalAddress(k.remote.Addr()) {
		k.source = site.ChannelIntranet
	}
	if v.site.Practice.DeniedAddress(k.remote.Addr()) {
		const reply = "554 5.7.1 access_control: host is not allowed to connect"
		k.record("X", reply)
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(c, reply+"\r\n")
		_ = c.Close()
		return nil
	}
	k.record("O", "")
	v.live.add(k)
	return k
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// Close ends the connection, and its record says how it went.
func (k *client) Close() error {
	if k.closed.Swap(true) {
		return nil
	}
	k.server.live.remove(k)
	k.record("C", k.ended())
	return k.watched.Close()
}

// process is the column of LOG_PROCESS.
func (k *client) process() string { return maillog.Process(os.Getpid(), k.thread, k.sequence) }

// record writes one of the connection.
func (k *client) record(code, diagnostic string) {
	k.write(&maillog.Record{Source: k.source, Dest: "+", Code: code, Transport: k.transport, Application: "SMTP", Diagnostic: diagnostic})
}

// write writes records of this session. A log that cannot be written keeps no
// mail from coming in.
func (k *client) write(records ...*maillog.Record) {
	for _, r := range records {
		r.Node, r.Process = k.server.site.Practice.Host, k.process()
	}
	if err := k.server.log.Write(records...); err != nil {
		k.server.errors.Print(err)
	}
}

// badCommand writes a B record, up to MAX_B_ENTRIES a session.
func (k *client) badCommand(command, reply string) {
	if k.bad++; k.bad > k.server.site.Options.MaxBadCommands {
		return
	}
	k.write(&maillog.Record{Source: k.source, Code: "B", NoFrom: true, To: command, Diagnostic: reply})
}
