package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/lab/world"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func serverDrills() []Drill {
	return []Drill{
		{
			Expect: Expect{Name: "disk-full", Codes: []mta.FindingCode{mta.FindingOwnResourceFailing, mta.FindingDiskFilling}, Limit: Soon,
				Also: []mta.FindingCode{mta.FindingMailStopped}},
			Text:  "the queue's file system is full",
			Needs: NeedsMount, Prepare: smallQueue,
			Begin: fillQueueDisk, Evidence: logged("452 4.3.1"),
		},
		{
			Expect: Expect{Name: "log-silent", Codes: []mta.FindingCode{mta.FindingBlindSpot}, Limit: InAWhile},
			Text:   "mail.log_current leads to /dev/null: mail flows, and nothing is written of it",
			Begin:  silentLog,
		},
		{
			Expect: Expect{Name: "held", Codes: []mta.FindingCode{mta.FindingMailHeld}, Limit: Soon, Also: []mta.FindingCode{mta.FindingMailLoop}},
			Text:   "a message that went in circles elsewhere comes in: it is held (.HELD)",
			Begin:  heldMail,
		},
		{
			Expect: Expect{Name: "server-overage", Codes: []mta.FindingCode{mta.FindingServerProcessOverage}, Limit: InAWhile},
			Text:   "server processes may live for 30 s, and a client never lets go of one",
			Adjust: func(s *site.Settings) {
				for i := range s.Services { // whose a process is cannot be seen: the longest lifetime counts
					s.Services[i].MaxLifeTime = 30 * time.Second
				}
			},
			Begin: neverLetGo,
		},
		{
			Expect: Expect{Name: "mailbox-busy", Codes: []mta.FindingCode{mta.FindingOwnResourceFailing}, Limit: InAWhile},
			Text:   "the store is locked: every mailbox is busy",
			Begin:  lockStore, Evidence: logged("Mailbox is busy"),
		},
		{
			Expect: Expect{Name: "return-job-missed", Codes: []mta.FindingCode{mta.FindingOwnResourceFailing}, About: "return job", Limit: InAWhile},
			Text:   "mail.log_current begins 30 hours ago: the nightly return job did not run",
			Begin:  agedLog,
		},
		{
			Expect: Expect{Name: "channel-stopped", Codes: []mta.FindingCode{mta.FindingQueueNotDraining}, About: site.ChannelInternet, Limit: Soon},
			Text:   "an operator stops the channel tcp_local, and forgets it",
			Begin: func(s *Scene) error {
				s.Undo(func() error { return s.imsimta("qm", "start", site.ChannelInternet) })
				return s.imsimta("qm", "stop", site.ChannelInternet)
			},
		},
	}
}

// silentLog puts a link to /dev/null in the log's place, under no name that a
// rotation gives.
func silentLog(s *Scene) error {
	name := s.log.File
	away := name + "-kept"
	if err := os.Rename(name, away); err != nil {
		return err
	}
	s.Undo(func() error { return errors.Join(os.Remove(name), os.Rename(away, name)) })
	return os.Symlink(os.DevNull, name)
}

// heldMail sends a message with more Received lines than the MTA allows.
func heldMail(s *Scene) error {
	c, err := s.World.Dial(s.ctx, world.Client{Source: "127.10.0.77", Helo: "circle.example"})
	if err != nil {
		return err
	}
	defer c.Quit()
	var text strings.Builder
	for i := range s.Stage.Site.Options.MaxReceived + 5 {
		fmt.Fprintf(&text, "Received: from a%d.example by b%d.example; Mon, 02 Mar 2026 12:00:00 +0000\r\n", i, i)
	}
	text.WriteString("From: <round@north.example>\r\nSubject: circles\r\n\r\nround and round\r\n")
	s.Undo(func() error { return s.imsimta("qm", "delete", "-held") })
	return c.SendText("round@north.example", []string{"ada@" + stage.Domain}, []byte(text.String()))
}

// neverLetGo keeps sessions open by saying something now and then.
func neverLetGo(s *Scene) error {
	var list []*world.Session
	for range 3 {
		c, err := s.World.Dial(s.ctx, world.Client{Source: "127.10.0.78", Helo: "clinging.example"})
		if err != nil {
			return err
		}
		list = append(list, c)
	}
	s.Beside(func(ctx context.Context) {
		for ctx.Err() == nil {
			sleep(ctx, 5*time.Second)
			for _, c := range list {
				_ = c.Command("NOOP", "250") // one that was ended clings no more
			}
		}
		for _, c := range list {
			c.Close()
		}
	})
	return nil
}

// lockStore locks every user's mailbox, as a backup that hangs does.
func lockStore(s *Scene) error {
	list, err := os.ReadDir(s.Stage.Site.StoreDir())
	if err != nil {
		return err
	}
	for _, d := range list {
		name := filepath.Join(s.Stage.Site.StoreDir(), d.Name(), "lock")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			return err
		}
		s.Undo(func() error { return os.Remove(name) })
	}
	return nil
}

// logTime is how a record of LOG_FORMAT 1 begins.
const logTime = "02-Jan-2006 15:04:05"

// agedLog makes the first record of the log a day and more older, in its place.
func agedLog(s *Scene) error {
	f, err := os.OpenFile(s.log.File, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	was := make([]byte, len(logTime))
	if _, err := f.ReadAt(was, 0); err != nil {
		return fmt.Errorf("read the first record: %w", err)
	}
	at, err := time.ParseInLocation(logTime, string(was), time.Local)
	if err != nil {
		return fmt.Errorf("read the first record: %w", err)
	}
	if _, err := f.WriteAt([]byte(at.Add(-30*time.Hour).Format(logTime)), 0); err != nil {
		return err
	}
	s.Undo(func() error {
		f, err := os.OpenFile(s.log.File, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(was, 0)
		return errors.Join(err, f.Close())
	})
	return nil
}
