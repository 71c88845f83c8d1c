package diagnose

import "github.com/mtawatch/mtawatch/internal/mta"

func queueRules() []Rule {
	draining := eachInstance(queueNotDraining, mta.FindingQueueNotDraining)
	draining.Over = channelBack
	return []Rule{
		eachInstance(queueGrowing, mta.FindingQueueGrowing),
		draining,
		eachInstance(queueOldMail, mta.FindingQueueOldMail),
		eachInstance(mailHeld, mta.FindingMailHeld),
		eachInstance(diskFilling, mta.FindingDiskFilling),
	}
}

// queueCauses are the findings of which a queue that grows, or does not
// drain, is a consequence.
func queueCauses() []mta.FindingCode {
	return []mta.FindingCode{mta.FindingJobControllerDown, mta.FindingDispatcherDown, mta.FindingDaemonFlapping, mta.FindingOwnDNSDead, mta.FindingNetworkBroken,
		mta.FindingDestinationTimingOut, mta.FindingDestinationRefusing, mta.FindingProviderThrottling, mta.FindingBlocklisted,
		mta.FindingOwnResourceFailing, mta.FindingDiskFilling, mta.FindingSenderBurst, mta.FindingMailLoop, mta.FindingBounceSurge}
}

// queueNamed gives a queue of the instance; nil when there is none.
func queueNamed(in *Instance, name string) *Queue {
	for _, q := range in.Queues {
		if q.Name == name {
			return q
		}
	}
	return nil
}
