"""What follows from what is wanted and what was observed: what forbids a deploy, and what is to be
done. Pure: knows nothing of pyinfra, asks no host itself and changes nothing."""
