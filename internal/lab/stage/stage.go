package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/lab/world"
)

// The daemons of the MTA, by their names.
const (
	Dispatcher    = "dispatcher"
	JobController = "job_controller"
)

// Daemons are the processes of which one each must run.
func Daemons() []string { return []string{JobController, Dispatcher} }

// Domain is that of the users of every practice MTA.
const Domain = "practice.example"

// Instance is what mtawatch calls every practice MTA.
const Instance = "imta"

// Config says what is put on. Base is required.
type Config struct {
	Base   string // the directory of the MTA
	Binary string // mtawatch; "" is the running program
	Fresh  bool   // without the mail and logs that an earlier one left there
	Ports  Ports  // zeros are the usual ones, or the next that are free
	Format int    // LOG_FORMAT: 1 or 4; 0 is 1

	Rate float64                 // letters a second, in the mean; 0 sends none
	Day  func(time.Time) float64 // how it varies; nil is world.Day

	// Adjust changes what the site is made with, nil nothing.
	Adjust func(*site.Settings)
	// Say is told what an operator wants to know: a daemon that ended. nil is nobody.
	Say func(text string)
}

// Stage is a practice MTA with all that belongs to it.
type Stage struct {
	Site  *site.Site
	World *world.World
	Ports Ports

	held   []io.Closer // what keeps other labs from the ports and the directory
	say    func(string)
	output *os.File // where the daemons complain
	mu     sync.Mutex
	daemon map[string]*Child
	ending bool
	watch  sync.WaitGroup
}

// Backoff is after how long a message is tried again, attempt by attempt: short,
// so that practice shows something.
func Backoff() []time.Duration {
	return []time.Duration{20 * time.Second, 40 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute}
}

// The patience with other sites is short, too.
const (
	ConnectPatience = 10 * time.Second
	ReplyPatience   = 20 * time.Second
)

// Users are the accounts of every practice MTA. The password of each is in
// BASE/config/practice.cnf, and no secret.
func Users() []world.User {
	var list []world.User
	for _, n := range [...]string{"ada", "bela", "carl", "dora", "emil", "fritz", "gerda", "hugo", "ida", "jan", "karla", "leo", "mia", "nora", "otto", "paula",
		"quirin", "rosa", "sami", "tilda", "udo", "vera", "willi", "xenia", "yara", "zeno"} {
		list = append(list, world.User{Name: n, Password: "practice-" + n})
	}
	return list
}

// New makes the site's directory and files. Nothing runs yet, but no other lab
// may run there from now on, until this one has run or its process ends.
func New(cfg Config) (st *Stage, err error) {
	held, err := cfg.Ports.fill()
	defer func() {
		if err != nil {
			release(held)
		}
	}()
	if err != nil {
		return nil, err
	}
	old, again := earlier(cfg.Base)
	if again {
		if held, err = lockBase(held, old); err != nil {
			return nil, err
		}
	}
	if cfg.Say == nil {
		cfg.Say = func(string) {}
	}
	p, set := cfg.Ports, cfg.settings()
	if again && cfg.Fresh {
		if err := sweep(old); err != nil {
			return nil, err
		}
	}
	made, err := site.Create(cfg.Base, set)
	if err != nil {
		return nil, err
	}
	if !again {
		if held, err = lockBase(held, made); err != nil {
			return nil, err
		}
	}
	w, err := world.New(world.Config{SMTP: fmt.Sprintf("127.0.0.1:%d", p.SMTP), Submission: fmt.Sprintf("127.0.0.1:%d", p.Submit),
		NameServer: set.NameServer, RemotePort: p.Remote, Host: set.Host, Domain: Domain, Users: Users(), Rate: cfg.Rate, Day: cfg.Day})
	if err != nil {
		return nil, err
	}
	return &Stage{Site: made, World: w, Ports: p, held: held, say: cfg.Say, daemon: make(map[string]*Child)}, nil
}

// settings are what the site is made with.
func (cfg *Config) settings() site.Settings {
	p := cfg.Ports
	s := site.Settings{Binary: cfg.Binary, SMTPPort: p.SMTP, SubmitPort: p.Submit, JobPort: p.Jobs, NameServer: fmt.Sprintf("127.0.0.1:%d", p.Names), RemotePort: p.Remote,
		Domains: []string{Domain}, Host: "mta." + Domain, Passwords: make(map[string]string), Backoff: Backoff(),
		ConnectTimeout: ConnectPatience, ReplyTimeout: ReplyPatience,
		Internal: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/24"), netip.MustParsePrefix("127.0.1.0/24")}}
	for _, u := range Users() {
		s.Users = append(s.Users, u.Name)
		s.Passwords[u.Name] = u.Password
	}
	s.Options = site.DefaultOptions()
	s.Options.LogConnection |= site.LogAuth
	s.Options.LogUsername = true
	if cfg.Format != 0 {
		s.Options.LogFormat = cfg.Format
	}
	s.Services = []site.Service{{Name: "SMTP", Ports: []int{p.SMTP}, MinProcs: 1}, {Name: "SMTP_SUBMIT", Ports: []int{p.Submit}, MinProcs: 1}}
	if cfg.Adjust != nil {
		cfg.Adjust(&s)
	}
	return s
}

// earlier gives the lab that was in a directory. What is not one, or cannot be
// read, is none: Create says what is wrong.
func earlier(base string) (st *site.Site, ok bool) {
	st, err := site.Open(base)
	return st, err == nil
}

// sweep removes what an earlier lab left.
func sweep(old *site.Site) error {
	if err := os.RemoveAll(filepath.Join(old.Base, "data")); err != nil {
		return fmt.Errorf("clear practice MTA: %w", err)
	}
	return nil
}

func release(held []io.Closer) {
	for _, c := range held {
		_ = c.Close()
	}
}

// Run starts the world and the daemons, calls ready once the MTA answers, and
// goes on until ctx ends. Then it ends all in order: nobody writes any more,
// then the daemons stop.
func (s *Stage) Run(ctx context.Context, ready func()) error {
	defer release(s.held)
	var err error
	s.output, err = os.OpenFile(s.OutputFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start practice MTA: %w", err)
	}
	defer s.output.Close()
	world, stop := context.WithCancel(ctx)
	defer stop()
	up, ended := make(chan struct{}), make(chan error, 1)
	ordered := make(chan error, 1)
	go func() { ordered <- s.control(world) }()
	go func() { ended <- s.World.Run(world, s.startThen(world, stop, up)) }()
	var worldErr error
	select {
	case <-up:
		if ready != nil && world.Err() == nil {
			ready()
		}
		worldErr = <-ended
	case worldErr = <-ended:
	}
	err = s.end()
	select {
	case <-up:
	default:
		if worldErr == nil && ctx.Err() == nil {
			worldErr = errors.New("start practice MTA: it did not come up; see " + s.OutputFile() + " and " + s.Site.LogDir())
		}
	}
	stop()
	return errors.Join(worldErr, err, <-ordered)
}

// startThen gives what the world calls once it stands: it starts the daemons
// before the first letter is sent.
func (s *Stage) startThen(ctx context.Context, stop func(), up chan struct{}) func() {
	return func() {
		for _, name := range Daemons() {
			if err := s.Start(name); err != nil {
				s.say(err.Error())
				stop()
				return
			}
		}
		if err := s.waitGreeting(ctx); err != nil {
			s.say(err.Error())
			stop()
			return
		}
		close(up)
	}
}

// OutputFile is where the daemons' standard error goes.
func (s *Stage) OutputFile() string { return filepath.Join(s.Site.RunDir(), "daemons.out") }

// lockBase keeps a second lab from the same directory, and adds what does so to
// held.
func lockBase(held []io.Closer, st *site.Site) ([]io.Closer, error) {
	if err := os.MkdirAll(st.RunDir(), 0o700); err != nil { // it may have been made by half
		return held, fmt.Errorf("start practice MTA: %w", err)
	}
	name := filepath.Join(st.RunDir(), "lab.lock")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return held, fmt.Errorf("start practice MTA: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return held, fmt.Errorf("start practice MTA: another lab runs in %s; end it, or name another directory with --base", st.Base)
	}
	return append(held, f), nil
}

// comeUp bounds the wait for the first greeting.
const comeUp = 30 * time.Second

func (s *Stage) waitGreeting(ctx context.Context) error {
	var last error
	for end := time.Now().Add(comeUp); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		c, err := s.World.Dial(ctx, world.Client{Helo: "lab." + Domain})
		if err == nil {
			c.Quit()
			return nil
		}
		last = err
		if p := s.Process(Dispatcher); p == nil || p.Ended() {
			break
		}
	}
	return fmt.Errorf("start practice MTA: no greeting came: %w; see %s and the logs in %s", last, s.OutputFile(), s.Site.LogDir())
}

// Start starts one of the daemons.
func (s *Stage) Start(name string) error {
	if !slices.Contains(Daemons(), name) {
		return unknownDaemon(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.daemon[name]; c != nil && !c.Ended() {
		return fmt.Errorf("start %s: it runs already, pid %d", name, c.PID)
	}
	if s.ending {
		return fmt.Errorf("start %s: the lab is ending", name)
	}
	c, err := StartChild(s.Command(s.output, name))
	if err != nil {
		return err
	}
	s.daemon[name] = c
	s.watch.Go(func() { s.attend(c) })
	return nil
}

// Command gives the command by which a program of the MTA is started.
func (s *Stage) Command(output io.Writer, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(s.Site.Program(name), args...)
	cmd.Dir = s.Site.Base
	cmd.Stdout, cmd.Stderr = output, output
	return cmd
}

// attend says when a daemon ends and nobody here ended it.
func (s *Stage) attend(c *Child) {
	<-c.Done()
	s.mu.Lock()
	ending := s.ending
	s.mu.Unlock()
	if !ending {
		how := "exit status 0"
		if err := c.Err(); err != nil {
			how = err.Error()
		}
		s.say(fmt.Sprintf("%s (pid %d) ended: %s; `%s %s` starts it again", c.Name, c.PID, how, s.Site.Program("start-msg"), c.Name))
	}
}

// Process gives a daemon's process, nil when it was never started.
func (s *Stage) Process(name string) *Child {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.daemon[name]
}

// stopTime is how long a daemon may take to end.
const stopTime = 15 * time.Second

// Stop ends one of the daemons as its operator would.
func (s *Stage) Stop(name string) error {
	if !slices.Contains(Daemons(), name) {
		return unknownDaemon(name)
	}
	c := s.Process(name)
	if c == nil || c.Ended() {
		return fmt.Errorf("stop %s: it does not run", name)
	}
	return c.Stop(stopTime)
}

// end ends the daemons, the dispatcher first: what it took is still delivered
// for a moment.
func (s *Stage) end() error {
	s.mu.Lock()
	s.ending = true
	list := []*Child{s.daemon[Dispatcher], s.daemon[JobController]}
	s.mu.Unlock()
	var all error
	for _, c := range list {
		if c != nil {
			all = errors.Join(all, c.Stop(stopTime))
		}
	}
	s.watch.Wait()
	return all
}
