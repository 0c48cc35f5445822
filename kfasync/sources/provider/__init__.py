"""A vendor's library as a source of content, through the C interface ``kf_provider.h``."""
