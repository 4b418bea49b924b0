"""What has been published: releases, uploads and source distributions, as data and how it is read."""
