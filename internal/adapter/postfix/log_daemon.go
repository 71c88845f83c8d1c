package postfix

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// daemonRole gives the role of a Postfix program or service by its name.
func daemonRole(name string) mta.Role {
	switch name {
	case "master":
		return mta.RoleDispatcher
	case "relay": // the usual second service of smtp
		return mta.RoleDelivery
	}
	return roleOf(name)
}

// daemon makes a daemon event.
func daemon(e *mta.Event, role mta.Role, action mta.Action, text string) error {
	e.Kind, e.Daemon, e.Action, e.Text = mta.KindDaemon, role, action, text
	return nil
}

// parseMaster reads what master logs for information.
func parseMaster(e *mta.Event, s string) error {
	switch {
	case strings.HasPrefix(s, "daemon started -- version "):
		return daemon(e, mta.RoleDispatcher, mta.ActionStarted, s)
	case strings.HasPrefix(s, "reload -- version "):
		return daemon(e, mta.RoleDispatcher, mta.ActionReloaded, s)
	case strings.HasPrefix(s, "terminating on signal "):
		return daemon(e, mta.RoleDispatcher, mta.ActionStopped, s)
	case strings.HasPrefix(s, "throttle released for command "):
		return note(e, s)
	case strings.Contains(s, ": using backwards-compatible default setting "):
		return note(e, s)
	}
	return parsePlainOther(e, s)
}

// parseMasterWarning reads the warnings of master that tell of a daemon's
// fate; others are plain warnings.
func parseMasterWarning(e *mta.Event, s string) error {
	if rest, ok := strings.CutPrefix(s, "process "); ok {
		path, fate, ok := strings.Cut(rest, " pid ")
		if !ok {
			return adapter.Malformed("process", rest)
		}
		role := daemonRole(path[strings.LastIndexByte(path, '/')+1:])
		switch {
		case strings.Contains(fate, " killed by signal "):
			return daemon(e, role, mta.ActionKilled, s)
		case strings.Contains(fate, " exit status "), strings.Contains(fate, " stopped by signal "):
			return daemon(e, role, mta.ActionStopped, s)
		}
		return adapter.Malformed("process", rest)
	}
	if path, ok := strings.CutSuffix(s, ": bad command startup -- throttling"); ok {
		return daemon(e, daemonRole(path[strings.LastIndexByte(path, '/')+1:]), mta.ActionThrottled, s)
	}
	if rest, ok := strings.CutPrefix(s, "service \""); ok && strings.Contains(rest, " has reached its process limit ") {
		return daemon(e, serviceRole(rest), mta.ActionLimit, s)
	}
	e.Kind, e.Text = mta.KindWarning, s
	return nil
}

// serviceRole gives the role of a service of master.cf; s begins with its
// name there, as in `smtp" (25) has reached`. What listens on the network is
// taken for an SMTP server; services inside have a path in the brackets.
func serviceRole(s string) mta.Role {
	name, rest, _ := strings.Cut(s, "\" (")
	inside, _, _ := strings.Cut(rest, ")")
	if strings.IndexByte(inside, '/') >= 0 {
		return daemonRole(name)
	}
	return mta.RoleSMTPServer
}

// parseScript reads what the start and stop scripts log. The dispatcher
// tells of its start itself; this is the request, so the role is another.
func parseScript(e *mta.Event, s string) error {
	switch {
	case strings.HasPrefix(s, "starting the "):
		return daemon(e, mta.RoleOther, mta.ActionStarted, s)
	case strings.HasPrefix(s, "stopping the "):
		return daemon(e, mta.RoleOther, mta.ActionStopped, s)
	case strings.HasPrefix(s, "refreshing the "):
		return daemon(e, mta.RoleOther, mta.ActionReloaded, s)
	case strings.HasPrefix(s, "aborting the "):
		return daemon(e, mta.RoleOther, mta.ActionKilled, s)
	case strings.HasPrefix(s, "waiting for the "),
		strings.HasPrefix(s, "the Postfix mail system is "),
		strings.HasPrefix(s, "Postfix is "), strings.HasPrefix(s, "Postfix is running with "),
		strings.HasPrefix(s, "See "), strings.HasPrefix(s, "To disable "):
		return note(e, s)
	}
	return parsePlainOther(e, s)
}
