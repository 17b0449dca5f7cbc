"""What friends and profiles of users add to their histories, by the functions of social.py."""

from common import Section
from social import MEASURES

TITLES = {
    "friends": "Friends: Last.fm, accuracy for users with a history and for cold ones",
    "users": "Users recommended to users: Last.fm",
    "profiles": "Profiles of users: generated users and the countries of Online Retail",
}
SECTIONS = {kind: Section(TITLES.get(kind, kind), measure) for kind, measure in MEASURES.items()}
