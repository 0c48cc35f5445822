"""How much of a lane's time is card time: a whole station on simulated readers, measured."""
