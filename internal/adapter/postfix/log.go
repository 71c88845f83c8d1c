package postfix

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/syslog"
)

// parser reads the log lines of Postfix. What each kind of line looks like
// follows the msg_info, msg_warn and log_adhoc calls of the Postfix source.
type parser struct {
	heads   *syslog.Reader
	names   []logName // to read; none: all
	tags    [32]knownTag
	origins [64]knownOrigin
	other   tagParts // of the last tag that is in neither
}

// tagParts is what a syslog tag tells.
type tagParts struct {
	slash int // where the instance ends
	name  int // where the program begins
	prog  program
	as    string // the instance that the name stands for; "": the name is the instance's
}

// knownTag is a syslog tag that was read before. The text is copied, so that
// the memory of old lines is neither kept nor trusted.
type knownTag struct {
	text [48]byte
	n    int
	tagParts
}

// knownOrigin is a tag by the number that the reader of heads gave to it.
type knownOrigin struct {
	number uint32 // 0: none
	tagParts
}

// logName is a name that an instance logs under.
type logName struct{ name, instance string }

func newParser(cfg adapter.ParserConfig) adapter.Parser {
	p := &parser{heads: syslog.New(syslog.Config{Location: cfg.Location, Year: cfg.Year})}
	for _, in := range cfg.Instances {
		p.names = append(p.names, logName{in.Name, ""})
	}
	for _, in := range cfg.Instances { // an instance's own name goes before another's alias
		for _, n := range in.LogNames {
			if _, known := p.reads(n); !known {
				p.names = append(p.names, logName{n, in.Name})
			}
		}
	}
	return p
}

// Parse implements adapter.Parser. A client= line that tells of SASL gives
// two events: the origin and the accepted authentication.
func (p *parser) Parse(dst []mta.Event, line adapter.Line) ([]mta.Event, error) {
	var h syslog.Header
	if !p.heads.Parse(&h, line.Text, line.Ref) {
		if p.mentionsUs(line.Text) {
			return dst, adapter.Malformed("time", line.Text)
		}
		return dst, nil
	}
	t := p.origin(h.Tag)
	if t.prog == progNone {
		return dst, nil
	}
	n := len(dst)
	dst, e := mta.Extend(dst)
	e.Time, e.PID = h.Time, h.PID
	e.Instance, e.Program = h.Tag[:t.slash], h.Tag[t.name:]
	if t.name > t.slash+1 {
		e.Service = h.Tag[t.slash+1 : t.name-1]
	}
	if t.as != "" {
		if t.as != e.Instance {
			e.Service = e.Instance
		}
		e.Instance = t.as
	}
	err := parseMessage(e, t.prog, h.Message)
	if err != nil || e.Kind == mta.KindNone {
		return dst[:n], err
	}
	if e.Kind == mta.KindOrigin && (e.SASLMethod != "" || e.SASLUser != "") {
		return appendAuth(dst, n), nil
	}
	return dst, nil
}

// appendAuth appends the accepted authentication that the origin at n tells of.
func appendAuth(dst []mta.Event, n int) []mta.Event {
	dst, auth := mta.Extend(dst)
	origin := &dst[n]
	auth.Time, auth.PID = origin.Time, origin.PID
	auth.Instance, auth.Program, auth.Service = origin.Instance, origin.Program, origin.Service
	auth.Kind, auth.Status = mta.KindAuth, mta.StatusAccepted
	auth.QueueID, auth.Client = origin.QueueID, origin.Client
	auth.SASLMethod, auth.SASLUser = origin.SASLMethod, origin.SASLUser
	return dst
}

// origin is tag, by number where the reader of heads knows the tag.
func (p *parser) origin(tag string) *tagParts {
	n := p.heads.Origin()
	if n == 0 {
		return p.tag(tag)
	}
	o := &p.origins[n%uint32(len(p.origins))]
	if o.number != n {
		o.number, o.tagParts = n, *p.tag(tag)
	}
	return &o.tagParts
}

// tag takes a syslog tag apart; progNone for one that is not to be read. What
// it gives is good until the next call.
func (p *parser) tag(s string) *tagParts {
	if len(s) < 4 || len(s) > len(knownTag{}.text) {
		p.other = p.newTag(s)
		return &p.other
	}
	t := &p.tags[(len(s)+int(s[len(s)-1])+int(s[len(s)-2])*5+int(s[len(s)-3])*3)%len(p.tags)]
	if string(t.text[:t.n]) != s {
		t.tagParts = p.newTag(s)
		t.n = copy(t.text[:], s)
	}
	return &t.tagParts
}

func (p *parser) newTag(s string) tagParts {
	slash := strings.IndexByte(s, '/')
	if slash <= 0 {
		return tagParts{}
	}
	as, ok := p.reads(s[:slash])
	if !ok {
		return tagParts{}
	}
	name := strings.LastIndexByte(s, '/') + 1
	return tagParts{slash, name, programOf(s[name:]), as}
}

// reads reports whether lines under a name are to be read, and for which
// instance where that has another name.
func (p *parser) reads(name string) (instance string, ok bool) {
	for _, n := range p.names {
		if n.name == name {
			return n.instance, true
		}
	}
	return "", len(p.names) == 0
}

// mentionsUs reports whether a line without a readable head is likely one of
// ours: its head then has a form that we should know.
func (p *parser) mentionsUs(text string) bool {
	if len(p.names) == 0 {
		return strings.Contains(text, "postfix") && strings.Contains(text, "]: ")
	}
	for _, n := range p.names {
		if i := strings.Index(text, n.name); i >= 0 && strings.HasPrefix(text[i+len(n.name):], "/") {
			return true
		}
	}
	return false
}

// program is one of Postfix's own programs, as far as the reading of its
// lines differs.
type program uint8

const (
	progNone       program = iota // not of Postfix
	progOther                     // all lines in the common forms
	progPostscreen                //
	progTLSProxy                  //
	progDNSBlog                   //
	progMaster                    //
	progScript                    // postfix-script and the other scripts
	progPostsuper                 //
)

// programOf finds the program by the last part of the syslog tag. Policy
// services and other neighbours that log under Postfix's name are none.
func programOf(name string) program {
	switch name {
	case "smtpd", "smtp", "qmgr", "cleanup", "error", "retry", "lmtp", "local", "virtual", "pipe", "discard",
		"bounce", "defer", "trace", "pickup", "anvil", "scache", "verify", "oqmgr", "nqmgr", "proxymap", "proxywrite",
		"trivial-rewrite", "rewrite", "relay", "tlsmgr", "flush", "showq", "spawn", "qmqpd", "postlogd", "postlog",
		"postqueue", "postdrop", "sendmail", "mailq", "newaliases", "postmulti", "postmap", "postalias", "postconf",
		"postcat", "postkick", "postlock", "posttls-finger", "smtp-source", "smtp-sink", "qmqp-source", "qmqp-sink",
		"nbdb_reindexd":
		return progOther
	case "postscreen":
		return progPostscreen
	case "tlsproxy":
		return progTLSProxy
	case "dnsblog":
		return progDNSBlog
	case "master":
		return progMaster
	case "postfix-script", "postfix", "postfix-wrapper", "post-install", "postfix-tls-script", "postmulti-script":
		return progScript
	case "postsuper":
		return progPostsuper
	}
	return progNone
}

// parseMessage reads what follows the syslog tag. It leaves e.Kind at
// KindNone for a line that says nothing of interest.
func parseMessage(e *mta.Event, prog program, msg string) error {
	if id, rest, ok := cutQueueID(msg); ok {
		e.QueueID = id
		return parseQueued(e, prog, rest)
	}
	if sev, rest, ok := cutSeverity(msg); ok {
		return parseWarning(e, prog, sev, rest)
	}
	switch prog {
	case progPostscreen:
		return parsePostscreen(e, msg)
	case progTLSProxy:
		return parseTLSProxy(e, msg)
	case progDNSBlog:
		return parseDNSBlog(e, msg)
	case progMaster:
		return parseMaster(e, msg)
	case progScript:
		return parseScript(e, msg)
	case progPostsuper:
		return parsePostsuper(e, msg)
	}
	return parsePlain(e, msg)
}

// parseQueued reads a line that began with a queue id.
func parseQueued(e *mta.Event, prog program, s string) error {
	if s == "" {
		return adapter.Malformed("text", s)
	}
	switch s[0] {
	case 't':
		if rest, ok := strings.CutPrefix(s, "to=<"); ok {
			return parseDelivery(e, rest)
		}
	case 'f':
		if rest, ok := strings.CutPrefix(s, "from=<"); ok {
			return parseQueueManager(e, rest)
		}
	case 'm':
		if rest, ok := strings.CutPrefix(s, "message-id="); ok {
			return parseMessageID(e, rest)
		}
	case 'r':
		if rest, ok := strings.CutPrefix(s, "resent-message-id="); ok {
			return parseMessageID(e, rest)
		}
		if s == "removed" {
			return parseRemoved(e, prog)
		}
	case 'c':
		if rest, ok := strings.CutPrefix(s, "client="); ok {
			return parseOrigin(e, rest)
		}
	case 'u':
		if rest, ok := strings.CutPrefix(s, "uid="); ok {
			return parsePickup(e, rest)
		}
	}
	return parseQueuedOther(e, prog, s)
}

// parseQueuedOther reads the rarer lines that begin with a queue id.
func parseQueuedOther(e *mta.Event, prog program, s string) error {
	if prog == progPostsuper {
		return parsePostsuperID(e, s)
	}
	if i := strings.IndexByte(s, ':'); i > 0 && i+2 <= len(s) {
		word, rest := s[:i], strings.TrimPrefix(s[i+1:], " ")
		if act, ok := policyAction(word); ok {
			return parsePolicy(e, act, word, rest)
		}
		if what, ok := strings.CutSuffix(word, " notification"); ok {
			return parseNotification(e, what, rest)
		}
	}
	if rest, ok := strings.CutPrefix(s, "status=deferred ("); ok {
		return parseFailedNotice(e, rest)
	}
	// Newer versions name the queue id, or NOQUEUE, when a session breaks.
	if rest, ok := strings.CutPrefix(s, "lost connection after "); ok {
		return parseBroken(e, "lost", rest)
	}
	if rest, ok := strings.CutPrefix(s, "timeout after "); ok {
		return parseBroken(e, "timeout", rest)
	}
	if rest, ok := strings.CutPrefix(s, "too many errors after "); ok {
		return parseBroken(e, "dropped", rest)
	}
	if rest, ok := strings.CutPrefix(s, "improper command pipelining after "); ok {
		return parsePipelining(e, s, rest)
	}
	return parseSession(e, s)
}
