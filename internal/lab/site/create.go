package site

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings are what a new site is made with. Zero values have defaults.
type Settings struct {
	Binary     string   // mtawatch, absolute; the running program
	Address    string   // 127.0.0.1
	SMTPPort   int      // 2525
	SubmitPort int      // 0: no service SMTP_SUBMIT
	JobPort    int      // 27442
	NameServer string   // 127.0.0.1:5353
	RemotePort int      // 2526
	Domains    []string // the first is the site's own: example.com
	Host       string   // mail.DOMAIN
	Users      []string // mailboxes
	Passwords  map[string]string
	Internal   []netip.Prefix // 127.0.0.0/24: the other 127.x are strangers
	Denied     []netip.Prefix // who may not connect
	Options    Options        // DefaultOptions
	Services   []Service      // SMTP on SMTPPort, SMTP_SUBMIT on SubmitPort
	Notices    []float64      // in days: 1 2 4 7
	Backoff    []time.Duration
	Subdirs    int // of tcp_local: 5
	JobLimit   int // of SMTP_POOL: 10
	SynchTime  time.Duration
	Day        time.Duration // 24 h
	// CommandTimeout and DataTimeout are the patience with SMTP clients: 5 and 10 minutes.
	CommandTimeout, DataTimeout time.Duration
	// ConnectTimeout and ReplyTimeout are the patience with other sites: 30 seconds and 5 minutes.
	ConnectTimeout, ReplyTimeout time.Duration
	Quota                        int64
	Certificate, Key             string
}

// or gives the first that is not the zero value.
func or[T comparable](v ...T) T {
	var zero T
	for _, x := range v {
		if x != zero {
			return x
		}
	}
	return zero
}

func (s Settings) withDefaults() (Settings, error) {
	if s.Binary == "" {
		exe, err := os.Executable()
		if err != nil {
			return s, err
		}
		s.Binary = exe
	}
	s.Address = or(s.Address, "127.0.0.1")
	s.SMTPPort = or(s.SMTPPort, 2525)
	s.JobPort = or(s.JobPort, 27442)
	s.NameServer = or(s.NameServer, "127.0.0.1:5353")
	s.RemotePort = or(s.RemotePort, 2526)
	s.Options = or(s.Options, DefaultOptions())
	s.Subdirs = or(s.Subdirs, 5)
	s.JobLimit = or(s.JobLimit, 10)
	s.SynchTime = or(s.SynchTime, 4*time.Hour)
	s.Day = or(s.Day, 24*time.Hour)
	s.CommandTimeout = or(s.CommandTimeout, 5*time.Minute)
	s.DataTimeout = or(s.DataTimeout, 10*time.Minute)
	s.ConnectTimeout = or(s.ConnectTimeout, 30*time.Second)
	s.ReplyTimeout = or(s.ReplyTimeout, 5*time.Minute)
	if len(s.Domains) == 0 {
		s.Domains = []string{"example.com"}
	}
	s.Host = or(s.Host, "mail."+s.Domains[0])
	if s.Internal == nil {
		s.Internal = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/24")}
	}
	if s.Notices == nil {
		s.Notices = []float64{1, 2, 4, 7}
	}
	if s.Backoff == nil {
		s.Backoff = []time.Duration{5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}
	}
	if s.Services == nil {
		s.Services = []Service{{Name: "SMTP", Ports: []int{s.SMTPPort}, MinProcs: 1, MaxIdleTime: 10 * time.Minute}}
		if s.SubmitPort != 0 {
			s.Services = append(s.Services, Service{Name: "SMTP_SUBMIT", Ports: []int{s.SubmitPort}, MinProcs: 1})
		}
	}
	return s, nil
}

// marker tells a directory of ours from one that must not be touched.
const marker = "practice.cnf"

// Create makes a site, or makes one anew: files are written from the settings,
// queue, logs and store stay. It refuses a directory that has something in it
// and is none of ours.
func Create(base string, s Settings) (*Site, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return nil, fmt.Errorf("create site: %w", err)
	}
	if s, err = s.withDefaults(); err != nil {
		return nil, fmt.Errorf("create site: %w", err)
	}
	if err := claim(base); err != nil {
		return nil, fmt.Errorf("create site: %w", err)
	}
	site := &Site{Base: base}
	// The marker first: by it what a crash leaves half made is known as ours, and
	// by nothing but its making before that.
	if err := os.MkdirAll(site.ConfigDir(), 0o755); err != nil {
		return nil, fmt.Errorf("create site: %w", err)
	}
	for _, f := range s.files(site) {
		if err := replace(filepath.Join(site.ConfigDir(), f.name), f.text, f.mode); err != nil {
			return nil, fmt.Errorf("create site: %w", err)
		}
	}
	for _, d := range []struct {
		name string
		mode fs.FileMode
	}{{site.LogDir(), 0o755}, {site.QueueDir(), 0o700}, {site.StoreDir(), 0o700}, {site.RunDir(), 0o700}, {filepath.Join(base, "lib"), 0o755}} {
		if err := os.MkdirAll(d.name, d.mode); err != nil {
			return nil, fmt.Errorf("create site: %w", err)
		}
	}
	for _, name := range Programs() {
		if err := link(s.Binary, site.Program(name)); err != nil {
			return nil, fmt.Errorf("create site: %w", err)
		}
	}
	for _, u := range append([]string{"postmaster"}, s.Users...) {
		if err := site.AddUser(u); err != nil {
			return nil, fmt.Errorf("create site: %w", err)
		}
	}
	return Open(base)
}

// claim refuses a directory in which someone else has files.
func claim(base string) error {
	list, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(base, 0o755)
	}
	if err != nil {
		return err
	}
	if len(list) == 0 || len(list) == 1 && list[0].Name() == "config" && begun(filepath.Join(base, "config")) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(base, "config", marker)); err != nil {
		return fmt.Errorf("%s is not empty and no practice MTA: name another directory", base)
	}
	return nil
}

// begun says whether a directory has no more in it than a Create that was
// killed before it had written the marker.
func begun(config string) bool {
	list, err := os.ReadDir(config)
	return err == nil && (len(list) == 0 || len(list) == 1 && list[0].Name() == marker+newSuffix)
}

// newSuffix ends the name of what is not in its place yet.
const newSuffix = ".new"

// link makes a symbolic link, also over one that leads elsewhere.
func link(to, name string) error {
	if at, err := os.Readlink(name); err == nil && at == to {
		return nil
	}
	tmp := name + newSuffix
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(to, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

// replace writes a file whole or not at all.
func replace(name, text string, mode fs.FileMode) error {
	tmp := name + newSuffix
	if err := os.WriteFile(tmp, []byte(text), mode); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

type textFile struct {
	name, text string
	mode       fs.FileMode
}

func (s Settings) files(site *Site) []textFile {
	return []textFile{
		{marker, s.practiceText(), 0o600}, // passwords
		{"option.dat", s.optionText(), 0o644},
		{"dispatcher.cnf", s.dispatcherText(), 0o644},
		{"job_controller.cnf", s.jobText(), 0o644},
		{"mappings", s.mappingsText(), 0o644},
		{"imta.cnf", s.channelText(), 0o644},
		{"imta_tailor", fmt.Sprintf("IMTA_ROOT=%s/\nIMTA_TABLE=%s/\nIMTA_BIN=%s/\nIMTA_EXE=%s/\nIMTA_QUEUE=%s\nIMTA_LOG=%s/\n", site.Base, site.ConfigDir(),
			filepath.Join(site.Base, "lib"), filepath.Join(site.Base, "lib"), site.QueueDir(), site.LogDir()), 0o644},
	}
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

func (s Settings) practiceText() string {
	var b strings.Builder
	b.WriteString("! What only the practice MTA knows. Times are in seconds.\n")
	fmt.Fprintf(&b, "HOST=%s\nADDRESS=%s\nNAMESERVER=%s\nREMOTE_PORT=%d\n", s.Host, s.Address, s.NameServer, s.RemotePort)
	fmt.Fprintf(&b, "! A day of notices and of the return job.\nDAY=%s\n", seconds(s.Day))
	fmt.Fprintf(&b, "COMMAND_TIMEOUT=%s\nDATA_TIMEOUT=%s\n", seconds(s.CommandTimeout), seconds(s.DataTimeout))
	fmt.Fprintf(&b, "CONNECT_TIMEOUT=%s\nREPLY_TIMEOUT=%s\n", seconds(s.ConnectTimeout), seconds(s.ReplyTimeout))
	fmt.Fprintf(&b, "! Bytes of a mailbox; 0 is no limit.\nQUOTA=%d\n", s.Quota)
	if s.Certificate != "" {
		fmt.Fprintf(&b, "CERTIFICATE=%s\nKEY=%s\n", s.Certificate, s.Key)
	}
	users := make([]string, 0, len(s.Passwords))
	for u := range s.Passwords {
		users = append(users, u)
	}
	slices.Sort(users)
	for _, u := range users {
		fmt.Fprintf(&b, "AUTH=%s:%s\n", u, s.Passwords[u])
	}
	return b.String()
}

func (s Settings) optionText() string {
	o := s.Options
	bit := map[bool]int{true: 1}
	var b strings.Builder
	for _, v := range []struct {
		name  string
		value int
	}{
		{"LOG_FORMAT", o.LogFormat}, {"LOG_PROCESS", bit[o.LogProcess]}, {"LOG_MESSAGE_ID", bit[o.LogMessageID]},
		{"LOG_FILENAME", bit[o.LogFilename]}, {"LOG_ENVELOPE_ID", bit[o.LogEnvelopeID]}, {"LOG_USERNAME", bit[o.LogUsername]},
		{"LOG_NODE", bit[o.LogNode]}, {"LOG_NOTARY", bit[o.LogNotary]}, {"LOG_REASON", bit[o.LogReason]},
		{"LOG_QUEUE_TIME", bit[o.LogQueueTime]}, {"LOG_CONNECTION", o.LogConnection},
		{"SEPARATE_CONNECTION_LOG", bit[o.SeparateConnectionLog]}, {"MAX_B_ENTRIES", o.MaxBadCommands},
		{"MAX_RECEIVED_LINES", o.MaxReceived}, {"BLOCK_LIMIT", int((o.MaxMessageSize + 1023) / 1024)},
	} {
		fmt.Fprintf(&b, "%s=%d\n", v.name, v.value)
	}
	return b.String()
}

func (s Settings) dispatcherText() string {
	var b strings.Builder
	b.WriteString("! Read anew at SIGHUP.\n")
	for _, v := range s.Services {
		v = v.withDefaults()
		ports := make([]string, len(v.Ports))
		for i, p := range v.Ports {
			ports[i] = strconv.Itoa(p)
		}
		fmt.Fprintf(&b, "!\n[SERVICE=%s]\nPORT=%s\nINTERFACE_ADDRESS=%s\nIMAGE=IMTA_BIN:%s\n", v.Name, strings.Join(ports, ","), or(v.Address, s.Address), v.Image)
		fmt.Fprintf(&b, "MIN_PROCS=%d\nMAX_PROCS=%d\nMIN_CONNS=%d\nMAX_CONNS=%d\n", v.MinProcs, v.MaxProcs, v.MinConns, v.MaxConns)
		fmt.Fprintf(&b, "MAX_LIFE_TIME=%s\nMAX_LIFE_CONNS=%d\nMAX_SHUTDOWN=%d\nMAX_IDLE_TIME=%s\nBACKLOG=%d\n",
			seconds(v.MaxLifeTime), v.MaxLifeConns, v.MaxShutdown, seconds(v.MaxIdleTime), v.Backlog)
	}
	return b.String()
}

func (s Settings) jobText() string {
	return fmt.Sprintf(`TCP_PORT=%d
SYNCH_TIME=%s
MAX_MESSAGES=100000
!
[POOL=DEFAULT]
job_limit=10
!
[POOL=SMTP_POOL]
job_limit=%d
!
[POOL=IMS_POOL]
job_limit=1
!
[CHANNEL=tcp_*]
master_command=IMTA_BIN:tcp_smtp_client
!
[CHANNEL=ims-ms]
master_command=IMTA_BIN:ims_master
!
[CHANNEL=process]
master_command=IMTA_BIN:process
`, s.JobPort, seconds(s.SynchTime), s.JobLimit)
}

func (s Settings) mappingsText() string {
	var b strings.Builder
	b.WriteString("ORIG_SEND_ACCESS\n\n  tcp_local|*|tcp_local|*    $NRelaying$ not$ allowed\n\nINTERNAL_IP\n\n")
	for _, p := range s.Internal {
		fmt.Fprintf(&b, "  $(%s)    $Y\n", p.Masked())
	}
	b.WriteString("  *    $N\n")
	if len(s.Denied) > 0 {
		b.WriteString("\nPORT_ACCESS\n\n")
	}
	for _, p := range s.Denied {
		fmt.Fprintf(&b, "  TCP|*|*|$(%s)|*    $N500$ not$ allowed\n", p.Masked())
	}
	return b.String()
}

func (s Settings) channelText() string {
	var b strings.Builder
	b.WriteString("! Rewrite rules: a domain that leads to the store is local.\n")
	for _, d := range s.Domains {
		fmt.Fprintf(&b, "%s    $U@%s\n", d, StoreHost)
	}
	b.WriteString(".    $U%$H$D@tcp_local-daemon\n\n")
	notices, backoff := "notices", "backoff"
	for _, n := range s.Notices {
		notices += " " + strconv.FormatFloat(n, 'f', -1, 64)
	}
	for _, d := range s.Backoff {
		backoff += " " + formatPeriod(d)
	}
	fmt.Fprintf(&b, "defaults logging %s %s\n\n", notices, backoff)
	fmt.Fprintf(&b, "! mail to and from other sites\ntcp_local smtp mx single_sys remotehost subdirs %d maxjobs %d pool SMTP_POOL\ntcp_local-daemon\n\n", s.Subdirs, s.JobLimit)
	b.WriteString("! mail from the own networks\ntcp_intranet smtp mx single_sys maxjobs 7 pool SMTP_POOL\ntcp_intranet-daemon\n\n")
	b.WriteString("! mail from users who have logged in\ntcp_auth smtp mustsaslserver maxjobs 7 pool SMTP_POOL\ntcp_auth-daemon\n\n")
	fmt.Fprintf(&b, "! the store\nims-ms subdirs 2 maxjobs 2 pool IMS_POOL\n%s\n\n", StoreHost)
	b.WriteString("! notifications\nprocess maxjobs 2 pool DEFAULT\nprocess-daemon\n")
	return b.String()
}
