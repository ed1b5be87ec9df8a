<?php echo "release=", getenv("release"), "\n";
