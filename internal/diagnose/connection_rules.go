package diagnose

func connectionRules() []Rule {
	return []Rule{floodRule(), synBacklogRule(), closeWaitRule(), acceptQueueRule(), processLimitRule(), serverAgeRule()}
}
