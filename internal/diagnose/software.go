package diagnose

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// What to type differs from mail server to mail server. Where the software
// is not known the words are general and name Postfix's command as the example.

// software gives the adapter's name of the instance's mail server, "" when unknown.
func software(c *Case, instance string) string {
	name, _ := c.Facts.MTA(instance)
	return name
}

// daemonName is what a daemon is called in the mail server's own words.
func daemonName(c *Case, instance string, role mta.Role) string {
	job := role == mta.RoleJobController
	switch software(c, instance) {
	case "postfix":
		if job {
			return "qmgr"
		}
		return "master"
	case "imta":
		if job {
			return "job_controller"
		}
		return "dispatcher"
	case "opensmtpd":
		if job {
			return "scheduler"
		}
		return "smtpd"
	case "exim", "sendmail":
		if job {
			return "queue runner"
		}
		return "listening daemon"
	}
	if job {
		return "job controller"
	}
	return role.String()
}

// startAdvice says how to look at and start what is down.
func startAdvice(c *Case, instance string) []string {
	switch software(c, instance) {
	case "postfix":
		return []string{"read the last lines of the mail log: Postfix says there why it ended or does not start",
			"check and start it: `postfix check && postfix start` (with systemd: `systemctl status postfix@-`, `systemctl start postfix`); for a second instance `postmulti -i NAME -p start`"}
	case "exim":
		return []string{"check the configuration: `exim -bV`; start the daemon: `systemctl start exim4` (or `exim -bd -q30m`)",
			"read the end of mainlog and paniclog"}
	case "sendmail":
		return []string{"start it: `systemctl start sendmail` (or `sendmail -bd -q15m`)", "read the end of the mail log"}
	case "opensmtpd":
		return []string{"check the configuration: `smtpd -n`; start it: `systemctl start opensmtpd` (or `smtpd`)", "read the end of the mail log"}
	case "imta":
		return []string{"see what runs: `imsimta process`; then read the newest dispatcher.log-* and job_controller.log-* in the log directory",
			"start what is missing: `start-msg dispatcher`, `start-msg job_controller` (before Messaging Server 6 `imsimta start dispatcher`, `imsimta start job_controller`); " +
				"if the dispatcher does not stay, see that the temporary directory has mode 1777, for its socket is there"}
	}
	return []string{"read the end of the mail server's log: it says there why it ended or does not start",
		"check its configuration and start it (Postfix: `postfix check && postfix start`)"}
}

// blockAdvice says how to keep a client away.
func blockAdvice(c *Case, instance, address string) []string {
	if address == "" {
		address = "ADDRESS"
	}
	list := []string{"if it is no host of yours and no partner's, block it before the mail server: `nft add table inet shield; nft add chain inet shield in '{ type filter hook input priority -10; }'; nft add rule inet shield in ip saddr " + address + " tcp dport 25 drop` (for IPv6 `ip6 saddr`)"}
	switch software(c, instance) {
	case "exim":
		return append(list, "bound what one host may hold: `smtp_accept_max_per_host` in the Exim configuration")
	case "sendmail":
		return append(list, "bound what one host may do: FEATURE(`ratecontrol') and FEATURE(`conncontrol')")
	case "imta":
		return append(list, "refuse it in the PORT_ACCESS mapping table, then `imsimta cnbuild && imsimta restart dispatcher`")
	case "opensmtpd":
		return append(list, "refuse it in smtpd.conf: `reject ... from src`")
	}
	return append(list, "bound what one client may do: Postfix `smtpd_client_connection_count_limit`, `smtpd_client_connection_rate_limit` (clients in mynetworks are exempt)")
}

// theDaemon names a daemon for people, by its role and as its server calls
// it: "the job controller (qmgr) of postfix".
func theDaemon(c *Case, instance string, role mta.Role) string {
	what := "dispatcher"
	if role == mta.RoleJobController {
		what = "job controller"
	}
	if name := daemonName(c, instance, role); strings.ReplaceAll(name, "_", " ") != what {
		what += " (" + name + ")"
	}
	return "the " + what + whose(instance)
}
