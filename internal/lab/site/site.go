package site

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Site is a practice MTA on disk, as its files say it is.
type Site struct {
	Base     string // absolute
	Options  Options
	Services []Service
	Jobs     Jobs
	Channels []Channel
	Practice Practice
	Version  string // what `imsimta version` says
}

// The channels of a practice MTA. Mail comes in by tcp_local from outside, by
// tcp_intranet from the own networks, by tcp_auth from users who have logged in.
const (
	ChannelInternet = "tcp_local"
	ChannelIntranet = "tcp_intranet"
	ChannelAuth     = "tcp_auth"
	ChannelStore    = "ims-ms"
	ChannelProcess  = "process"
)

// StoreHost is the host name of the store's channel: a recipient in the store
// is written user@ims-ms-daemon.
const StoreHost = "ims-ms-daemon"

// Options are those of option.dat.
type Options struct {
	LogFormat     int // LOG_FORMAT: 1 or 4
	LogProcess    bool
	LogMessageID  bool
	LogFilename   bool
	LogEnvelopeID bool
	LogUsername   bool
	LogNode       bool
	LogNotary     bool
	LogReason     bool
	LogQueueTime  bool // LOG_FORMAT 4 only
	// LogConnection is a sum of bits: 1 source system, 2 connection records,
	// 32 transport and 64 application in message records, 128 AUTH attempts.
	LogConnection         int
	SeparateConnectionLog bool
	MaxBadCommands        int   // MAX_B_ENTRIES: B records a session
	MaxReceived           int   // MAX_RECEIVED_LINES: more Received lines are a loop
	MaxMessageSize        int64 // BLOCK_LIMIT, here in bytes; 0 is no limit
}

// The bits of Options.LogConnection.
const (
	LogSource      = 1
	LogConnections = 2
	LogTransport   = 32
	LogApplication = 64
	LogAuth        = 128
)

// DefaultOptions are what mtawatch recommends: format 1 with process, message
// id and file name, and connection records.
func DefaultOptions() Options {
	return Options{LogFormat: 1, LogProcess: true, LogMessageID: true, LogFilename: true,
		LogConnection: LogSource | LogConnections, MaxBadCommands: 10, MaxReceived: 50, MaxMessageSize: 20 << 20}
}

// Service is a section of dispatcher.cnf. Zero MinProcs is a service without a
// process until someone connects; the other zeros stand for their defaults.
type Service struct {
	Name     string // "SMTP"
	Image    string // the program of its workers: "tcp_smtp_server"
	Address  string // INTERFACE_ADDRESS
	Ports    []int
	MinProcs int
	MaxProcs int // 5
	MinConns int // 5: a worker with as many is busy enough for another to be started
	MaxConns int // 20: sessions a worker holds at once
	// MaxLifeTime is after how long a worker is due to end: it takes no more
	// and ends with its last session. 86,400 s.
	MaxLifeTime  time.Duration
	MaxLifeConns int           // 100: sessions a worker serves in its life
	MaxShutdown  int           // 2: workers that drain at once
	MaxIdleTime  time.Duration // 600 s: a worker above MinProcs with nothing to do ends
	Backlog      int           // MaxProcs × MaxConns, at least 5
}

// Capacity is how many sessions the service holds at once.
func (s Service) Capacity() int { return s.MaxProcs * s.MaxConns }

func (s Service) withDefaults() Service {
	set := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	set(&s.MaxProcs, 5)
	set(&s.MinConns, 5)
	set(&s.MaxConns, 20)
	set(&s.MaxLifeConns, 100)
	set(&s.MaxShutdown, 2)
	set(&s.Backlog, max(5, s.MaxProcs*s.MaxConns))
	if s.MaxLifeTime == 0 {
		s.MaxLifeTime = 24 * time.Hour
	}
	if s.MaxIdleTime == 0 {
		s.MaxIdleTime = 10 * time.Minute
	}
	if s.Image == "" {
		s.Image = "tcp_smtp_server"
	}
	return s
}

// Jobs is job_controller.cnf.
type Jobs struct {
	Address     string         // where it listens; the practice's own address
	TCPPort     int            // 27442
	Pools       map[string]int // JOB_LIMIT
	SynchTime   time.Duration  // 4 h
	MaxMessages int            // 100,000
}

// Channel is a channel block of imta.cnf, with its master program of
// job_controller.cnf.
type Channel struct {
	Name     string
	Host     string // its official host name: "tcp_local-daemon"
	Pool     string
	MaxJobs  int
	Subdirs  int             // 0 or 1: the queue has none
	Notices  []time.Duration // in practice days: the last is when mail is returned
	Backoff  []time.Duration // wait after each attempt; the last one for all that follow
	Program  string          // "tcp_smtp_client"; "" when nothing dequeues it
	Logging  bool
	Keywords []string // of the block, as they stand there
}

// Practice is practice.cnf, and what of the other files only the practice MTA reads.
type Practice struct {
	Host       string   // own name
	Domains    []string // local domains, lower case (rewrite rules of imta.cnf)
	Address    string   // 127.0.0.1
	NameServer string   // host:port
	RemotePort int      // where other sites answer SMTP; 25 in the world outside
	// Day is what counts as a day for notices and the return job: 24 h unless in a hurry.
	Day            time.Duration
	CommandTimeout time.Duration // an SMTP client says nothing for so long
	DataTimeout    time.Duration // a message takes longer than this to come in
	MaxRecipients  int           // of one message
	// ConnectTimeout and ReplyTimeout are the patience with other sites.
	ConnectTimeout, ReplyTimeout time.Duration
	Internal                     []netip.Prefix // who may relay (INTERNAL_IP of mappings)
	Denied                       []netip.Prefix // who may not connect (PORT_ACCESS of mappings)
	Passwords                    map[string]string
	Quota                        int64  // of a mailbox in bytes; 0 none
	Certificate                  string // STARTTLS is offered with both
	Key                          string
}

// InternalAddress says whether an address is of the own networks.
func (p Practice) InternalAddress(a netip.Addr) bool {
	a = a.Unmap()
	return slices.ContainsFunc(p.Internal, func(n netip.Prefix) bool { return n.Contains(a) })
}

// DeniedAddress says whether an address may not connect.
func (p Practice) DeniedAddress(a netip.Addr) bool {
	a = a.Unmap()
	return slices.ContainsFunc(p.Denied, func(n netip.Prefix) bool { return n.Contains(a) })
}

// Programs are the names under which the binary is linked in BASE/lib.
func Programs() []string {
	return []string{"dispatcher", "job_controller", "tcp_smtp_server", "tcp_smtp_client", "ims_master", "process", "return", "imsimta", "start-msg", "stop-msg"}
}

// QueueDir is where the channels have their directories.
func (s *Site) QueueDir() string { return filepath.Join(s.Base, "data", "queue") }

// LogDir is where all logs are.
func (s *Site) LogDir() string { return filepath.Join(s.Base, "data", "log") }

// RunDir holds sockets, process ids and locks.
func (s *Site) RunDir() string { return filepath.Join(s.Base, "run") }

// StoreDir has a directory for each local user.
func (s *Site) StoreDir() string { return filepath.Join(s.Base, "data", "store") }

// ConfigDir has the configuration files.
func (s *Site) ConfigDir() string { return filepath.Join(s.Base, "config") }

// Program is the path by which a program is started, its args[0].
func (s *Site) Program(name string) string { return filepath.Join(s.Base, "lib", name) }

// BaseOf gives the base directory from the path by which a program was
// started; a name without one was found on the PATH.
func BaseOf(program string) string {
	if !strings.ContainsRune(program, filepath.Separator) {
		if path, err := exec.LookPath(program); err == nil {
			program = path
		}
	}
	return filepath.Dir(filepath.Dir(program))
}

// Channel finds a channel.
func (s *Site) Channel(name string) (Channel, bool) {
	for _, c := range s.Channels {
		if c.Name == name {
			return c, true
		}
	}
	return Channel{}, false
}

// Service finds a service of the dispatcher.
func (s *Site) Service(name string) (Service, bool) {
	for _, v := range s.Services {
		if v.Name == name {
			return v, true
		}
	}
	return Service{}, false
}

// Local says whether mail for the domain goes to the store.
func (s *Site) Local(domain string) bool {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	return domain == strings.ToLower(s.Practice.Host) || domain == StoreHost || slices.Contains(s.Practice.Domains, domain)
}

// Route gives the channel that an address leaves by; not ok is an address
// without a domain or a user part.
func (s *Site) Route(address string) (channel string, ok bool) {
	i := strings.LastIndexByte(address, '@')
	if i <= 0 || i == len(address)-1 {
		return "", false
	}
	if s.Local(address[i+1:]) {
		return ChannelStore, true
	}
	return ChannelInternet, true
}

// User gives the store's user of a local address, and whether the store knows
// it. postmaster is always known.
func (s *Site) User(address string) (string, bool) {
	user, _, _ := strings.Cut(strings.ToLower(address), "@")
	user, _, _ = strings.Cut(user, "+")
	if !validUser(user) {
		return "", false
	}
	if user == "postmaster" {
		return user, true
	}
	st, err := os.Stat(filepath.Join(s.StoreDir(), user))
	return user, err == nil && st.IsDir()
}

// AddUser makes a mailbox.
func (s *Site) AddUser(user string) error {
	user = strings.ToLower(user)
	if !validUser(user) {
		return fmt.Errorf("add user %q: the name must be of letters, digits, '.', '-' and '_'", user)
	}
	for _, d := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(s.StoreDir(), user, "Maildir", d), 0o700); err != nil {
			return fmt.Errorf("add user: %w", err)
		}
	}
	return nil
}

// validUser keeps what comes from clients from naming anything but a directory
// in the store.
func validUser(user string) bool {
	if user == "" || len(user) > 64 || user[0] == '.' {
		return false
	}
	for i := range len(user) {
		c := user[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// Open reads the files of a site. All that is wrong with them is told at once.
func Open(base string) (*Site, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return nil, fmt.Errorf("open site: %w", err)
	}
	s := &Site{Base: base, Version: version}
	r := &reader{site: s}
	for _, f := range configFiles() {
		name := filepath.Join(s.ConfigDir(), f.name)
		text, err := os.ReadFile(name)
		if err != nil {
			r.errs = append(r.errs, err)
			continue
		}
		r.file = name
		f.read(r, text)
	}
	r.finish()
	if err := errors.Join(r.errs...); err != nil {
		return nil, fmt.Errorf("open site %s: %w", base, err)
	}
	return s, nil
}

const version = "Practice Messaging Server 1.0 (mtawatch lab)"
