"""What the alerts of the last days were worth: how often, how long, for whom; and what they did not see."""
