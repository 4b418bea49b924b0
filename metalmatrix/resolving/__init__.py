"""What an installation would hold: questions to the resolver, their answers, locks, the bounds that mend."""
