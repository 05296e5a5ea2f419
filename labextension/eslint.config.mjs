import tseslint from 'typescript-eslint';

export default tseslint.config(...tseslint.configs.recommendedTypeChecked, {
  languageOptions: {
    parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname }
  },
  rules: {
    '@typescript-eslint/explicit-module-boundary-types': 'error',
    '@typescript-eslint/switch-exhaustiveness-check': 'error',
    // Lumino's signals take `this` as an argument of its own.
    '@typescript-eslint/unbound-method': 'off',
    eqeqeq: 'error'
  }
});
