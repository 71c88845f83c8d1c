package diagnose

import "github.com/mtawatch/mtawatch/internal/mta"

func failureRules() []Rule {
	return []Rule{
		eachInstance(deliveryTrouble, mta.FindingDestinationTimingOut, mta.FindingDestinationRefusing, mta.FindingProviderThrottling,
			mta.FindingBlocklisted, mta.FindingOwnDNSDead, mta.FindingNetworkBroken, mta.FindingBounceSurge),
		eachInstance(ownResource, mta.FindingOwnResourceFailing),
		eachInstance(bounceSurge, mta.FindingBounceSurge),
	}
}

// deliveryTrouble reads all destinations together: the resolver, the
// network, our reputation, and each destination for itself. The single ones
// are told beside what explains them; that folds them in.
func deliveryTrouble(c *Case, in *Instance) []Candidate {
	list := failingDestinations(c, in)
	var found []Candidate
	if k, ok := ownDNSDead(c, in, list); ok {
		found = append(found, k)
	} else if k, ok := networkBroken(c, in, list); ok {
		found = append(found, k)
	}
	if k, ok := blocklistedWide(c, in, list); ok {
		found = append(found, k)
	}
	if k, rest, ok := sharedRelay(c, in, list); ok {
		found = append(found, k)
		list = rest
	}
	for i := range list[:min(len(list), maxDestinationsTold)] {
		if k, ok := destinationFails(c, in, &list[i]); ok {
			found = append(found, k)
		}
	}
	return found
}

// maxDestinationsTold bounds the destinations that are told apart.
const maxDestinationsTold = 10
