/** The icon of the site. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="6" fill="#0d5c63"/><path d="M6.5 12a5.5 5.5 0 1 0 1.9-4.2M8.6 5v3.2h3.2" fill="none" stroke="#fff" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/><circle cx="12" cy="12" r="1.8" fill="#fff"/></svg>
`;
