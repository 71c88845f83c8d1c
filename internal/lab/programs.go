package lab

import (
	"context"
	"io"

	"github.com/mtawatch/mtawatch/internal/lab/channel"
	"github.com/mtawatch/mtawatch/internal/lab/dispatcher"
	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/qm"
	"github.com/mtawatch/mtawatch/internal/lab/returnjob"
	"github.com/mtawatch/mtawatch/internal/lab/smtpserver"
	"github.com/mtawatch/mtawatch/internal/lab/stage"
)

// Program is one of the MTA's programs. args are without the program's own
// name; it gives the exit status.
type Program func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int

// ProgramOf gives the program that runs under a name: the one binary is linked
// under each of them, so that the process list shows what an MTA's would.
func ProgramOf(name string) (Program, bool) {
	p, ok := map[string]Program{
		// one line each
		"dispatcher":      dispatcher.Main,
		"imsimta":         qm.Main,
		"job_controller":  jobs.Main,
		"tcp_smtp_server": smtpserver.Main,
		"tcp_smtp_client": channel.SMTP,
		"ims_master":      channel.Store,
		"process":         channel.Process,
		"return":          returnjob.Main,
		"start-msg":       stage.StartMsg,
		"stop-msg":        stage.StopMsg,
	}[name]
	return p, ok
}
