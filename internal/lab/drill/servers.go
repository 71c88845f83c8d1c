package drill

import (
	"errors"
	"os"
	"syscall"

	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func serverDrills() []Drill {
	return []Drill{
		{
			Expect: Expect{Name: "log-silent", Codes: []mta.FindingCode{mta.FindingBlindSpot}, Limit: inAWhile},
			Text:   "mail.log_current leads to /dev/null: mail flows, and nothing is written of it",
			Begin:  silentLog,
		},
		{
			Expect: Expect{Name: "channel-stopped", Codes: []mta.FindingCode{mta.FindingQueueNotDraining, mta.FindingQueueGrowing, mta.FindingQueueOldMail}, Limit: inAWhile},
			Text:   "an operator stops the channel tcp_local, and forgets it",
			Begin: func(s *Scene) error {
				s.Undo(func() error { return s.imsimta("qm", "start", site.ChannelInternet) })
				return s.imsimta("qm", "stop", site.ChannelInternet)
			},
		},
	}
}

// stopped stops processes until the drill is over.
func (s *Scene) stopped(pids ...int) error {
	if err := signal(syscall.SIGSTOP, pids...); err != nil {
		return err
	}
	s.Undo(func() error { return signal(syscall.SIGCONT, pids...) })
	return nil
}

// silentLog puts a link to /dev/null in the log's place, under no name that a
// rotation gives.
func silentLog(s *Scene) error {
	name := s.logFile()
	away := name + "-kept"
	if err := os.Rename(name, away); err != nil {
		return err
	}
	s.Undo(func() error { return errors.Join(os.Remove(name), os.Rename(away, name)) })
	return os.Symlink(os.DevNull, name)
}
