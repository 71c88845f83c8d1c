package diagnose

import "github.com/mtawatch/mtawatch/internal/mta"

func trafficRules() []Rule {
	return []Rule{
		eachInstance(mailStopped, mta.FindingMailStopped),
		eachInstance(senderBurst, mta.FindingSenderBurst),
		eachInstance(mailLoop, mta.FindingMailLoop),
	}
}
