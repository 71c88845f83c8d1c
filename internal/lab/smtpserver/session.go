package smtpserver

import (
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// session is what the library calls for a client's commands, one at a time.
type session struct {
	*client
	conn   *smtp.Conn
	esmtp  bool
	secure bool
	user   string // who has logged in

	from       string
	notify     smtp.MailOptions
	recipients []recipient
}

// recipient is one that was accepted, with where it goes.
type recipient struct {
	queue.Recipient
	original string
	channel  string
}

func (v *Server) session(c *smtp.Conn) (smtp.Session, error) {
	s := &session{conn: c}
	conn := c.Conn()
	if t, ok := conn.(*tls.Conn); ok {
		s.secure, conn = true, t.NetConn()
	}
	k, ok := conn.(*client)
	if !ok {
		return nil, fmt.Errorf("greet client: a connection of type %T", conn)
	}
	s.client = k
	s.esmtp = s.secure || k.verb() == "EHLO"
	return s, nil
}

// refuse makes an answer and its J record.
func (s *session) refuse(code int, enhanced smtp.EnhancedCode, text, address string) error {
	if address != "" {
		text += ": " + printable(address)
	}
	if address == "" && len(s.recipients) > 0 {
		address = s.recipients[0].original // for the record
	}
	r := &maillog.Record{Source: s.source, Code: "J" + s.modifiers(), From: s.from, NoFrom: s.from == "", To: address,
		User: s.logUser(), System: s.system(), Diagnostic: fmt.Sprintf("%d %d.%d.%d %s", code, enhanced[0], enhanced[1], enhanced[2], text)}
	s.write(r)
	s.server.teller.tell(news{rejected: s.source})
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// modifiers are the letters after the action of a record.
func (s *session) modifiers() string {
	m := ""
	if s.esmtp {
		m += "E"
	}
	if s.secure {
		m += "S"
	}
	if s.user != "" {
		m += "A"
	}
	return m
}

func (s *session) logUser() string {
	if s.user == "" {
		return ""
	}
	return "*" + s.user
}

// system is what LOG_CONNECTION has to say of the client.
func (s *session) system() string {
	return printable(s.conn.Hostname()) + " ([" + s.remote.Addr().String() + "])"
}

// printable keeps what clients say from being more than one line of text.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '\ufffd' {
			return '?'
		}
		return c
	}, s)
}

// validAddress refuses what could be read as something else further on: the
// library has taken the quotes off a local part.
func validAddress(a string) bool {
	if len(a) > 320 {
		return false
	}
	for i := range len(a) {
		if c := a[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == ',' || c == ';' || c == '\\' {
			return false
		}
	}
	return true
}

// Reset forgets the transaction.
func (s *session) Reset() {
	s.from, s.notify, s.recipients = "", smtp.MailOptions{}, nil
}

// Logout has nothing to free.
func (s *session) Logout() error { return nil }

// AuthMechanisms are those for the users of the practice MTA; none when it has none.
func (s *session) AuthMechanisms() []string {
	if len(s.server.site.Practice.Passwords) == 0 {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth begins a login.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return s.login(mechanism, user, password) }), nil
	case sasl.Login:
		return &loginServer{check: func(user, password string) error { return s.login(mechanism, user, password) }}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// login checks a password and writes the U record.
func (s *session) login(mechanism, user, password string) error {
	want, known := s.server.site.Practice.Passwords[user]
	ok := subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 1 && known
	r := &maillog.Record{Source: s.source, Dest: "+", Code: "U", Transport: s.transport, Application: "SMTP", User: user,
		Diagnostic: "535 5.7.8 " + mechanism + " authentication failed"}
	if ok {
		r.Diagnostic = "235 2.7.0 " + mechanism + " authentication successful"
	}
	s.write(r)
	if !ok {
		return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "Bad username or password"}
	}
	s.user, s.source = user, site.ChannelAuth
	return nil
}

// Mail begins a message.
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.Reset()
	s.sequence++
	if o != nil {
		s.notify = *o
	}
	if s.submit && s.user == "" && s.source != site.ChannelIntranet {
		return s.refuse(530, smtp.EnhancedCode{5, 7, 0}, "Authentication required", "")
	}
	if !validAddress(from) {
		return s.refuse(553, smtp.EnhancedCode{5, 1, 7}, "bad sender address", "")
	}
	if !printableASCII(s.notify.EnvelopeID) {
		s.notify.EnvelopeID = ""
	}
	s.from = from
	return nil
}

func printableASCII(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f })
}

// Rcpt takes a recipient that is ours, or that the client may send to.
func (s *session) Rcpt(to string, o *smtp.RcptOptions) error {
	r := recipient{Recipient: queue.Recipient{Address: to}, original: to}
	if !validAddress(to) {
		return s.refuse(553, smtp.EnhancedCode{5, 1, 3}, "bad recipient address", "")
	}
	if o != nil {
		if o.OriginalRecipient != "" && validAddress(o.OriginalRecipient) {
			r.original = o.OriginalRecipient
		}
		flags := make([]string, len(o.Notify))
		for i, n := range o.Notify {
			flags[i] = string(n)
		}
		r.Notify = strings.Join(flags, ",")
	}
	r.Original = "rfc822;" + r.original
	channel, ok := s.server.site.Route(to)
	switch {
	case !ok:
		return s.refuse(553, smtp.EnhancedCode{5, 1, 3}, "bad recipient address", to)
	case channel == site.ChannelStore:
		user, known := s.server.site.User(to)
		if !known {
			return s.refuse(550, smtp.EnhancedCode{5, 1, 1}, "unknown or illegal alias", to)
		}
		r.Address = user + "@" + site.StoreHost
	case s.source == site.ChannelInternet:
		return s.refuse(550, smtp.EnhancedCode{5, 7, 1}, "Relaying not allowed", to)
	}
	r.channel = channel
	s.recipients = append(s.recipients, r)
	return nil
}

// Data takes the message. It answers 250 only when all its queue files are on
// the disk.
func (s *session) Data(r io.Reader) error {
	s.text(true)
	defer s.text(false)
	s.dataBegins()
	from := &noted{r: r}
	err := s.server.accept(s, from)
	var timeout net.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(from.err, smtp.ErrDataTooLarge):
		return s.refuse(552, smtp.EnhancedCode{5, 3, 4}, "message size exceeds the limit", "")
	case errors.As(from.err, &timeout) && timeout.Timeout():
		return s.refuse(421, smtp.EnhancedCode{4, 4, 2}, "timed out waiting for message data", "")
	case from.err != nil:
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 4, 2}, Message: "connection lost"}
	case queue.NoSpace(err):
		s.server.errors.Print(err)
		return s.refuse(452, smtp.EnhancedCode{4, 3, 1}, "Insufficient system storage", "")
	default:
		s.server.errors.Print(err)
		return s.refuse(451, smtp.EnhancedCode{4, 3, 0}, "Temporary error in the message queue", "")
	}
}

// noted notes the error that reading ended with: what a client did is told
// from what the disk did.
type noted struct {
	r   io.Reader
	err error
}

// Read reads on.
func (n *noted) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return k, err
}

// loginServer is the server of the mechanism LOGIN.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

// Next asks for user, then password.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil && l.step == 0 {
		l.step = 1
		return []byte("Username:"), false, nil
	}
	switch l.step {
	case 0, 1:
		l.user, l.step = string(response), 2
		return []byte("Password:"), false, nil
	case 2:
		l.step = 3
		return nil, true, l.check(l.user, string(response))
	}
	return nil, false, sasl.ErrUnexpectedClientResponse
}
